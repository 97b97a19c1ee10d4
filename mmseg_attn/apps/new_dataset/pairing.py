"""Pair images with masks by their names."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

from ...errors import DataError
from ...io import stem
from ..convert import Pair, match
from .search import list_files

MASK_ENDING = re.compile(r'[_-](mask|masks|label|labels|lab|seg|gt|annotation)$', re.IGNORECASE)


def pair_folders(images: Path, masks: Path, notes: list[str], *, below: bool = True) -> list[Pair]:
    """Pair the files of two folders: by name, by name without ending, or by number.

    Args:
        images: Folder of the images.
        masks: Folder of the masks, also if it is below that of the images.
        notes: What the user should know is added to these.
        below: Whether the folders below that of the images count.
    """
    files, labels = list_files(images, notes, without=masks.resolve()), list_files(masks, notes)
    if not below:
        files = [path for path in files if path.parent == images]
    image_names = _index(files, images)
    mask_names = _index(labels, masks)
    if set(image_names) != set(mask_names):
        trimmed = _index(labels, masks, _unmarked)
        if set(image_names) & set(trimmed):
            mask_names = trimmed
        else:
            numbered = [_by_number(names) for names in (image_names, mask_names)]
            if numbered[0] and numbered[1] and set(numbered[0]) == set(numbered[1]):
                first = min(numbered[0])
                notes.append(
                    'images and masks are paired by the last number in their names, such as '
                    f'{image_names[numbered[0][first]].name} and '
                    f'{mask_names[numbered[1][first]].name}'
                )
                mask_names = {
                    numbered[0][number]: mask_names[name] for number, name in numbered[1].items()
                }
    return match(image_names, mask_names)


def pair_marked(files: Sequence[Path], folder: Path) -> list[Pair]:
    """Pair the files ``<name>.<type>`` and ``<name>_mask.<type>`` of a folder."""
    images = _index((path for path in files if not is_marked(path)), folder)
    return match(images, _index(filter(is_marked, files), folder, _unmarked))


def is_marked(path: Path) -> bool:
    """Return whether the name of a file is that of a mask."""
    return bool(MASK_ENDING.search(stem(path)))


def name_of(path: Path) -> str:
    """Return a path without suffix, with '/'."""
    return (path.parent / stem(path)).as_posix()


def suffix(path: Path) -> str:
    """Return what follows the stem in the name of a file."""
    return path.name[len(stem(path)) :]


def mask_suffix(pairs: Sequence[Pair], root: Path) -> tuple[Path, str] | None:
    """Find the folder and the suffix with which all masks follow from the names of their images.

    Args:
        pairs: The pairs.
        root: Folder of the images.

    Returns:
        The folder and the suffix; ``None`` if there is none.
    """
    first = pairs[0]
    last = PurePosixPath(first.name).name
    if not first.mask.name.startswith(last):
        return None
    ending = first.mask.name[len(last) :]
    folder = first.mask.parent
    for part in reversed(PurePosixPath(first.name).parts[:-1]):
        if folder.name != part:
            return None
        folder = folder.parent
    same = all(pair.mask == folder / f'{pair.name}{ending}' for pair in pairs)
    return (folder, ending) if same else None


def _index(
    files: Iterable[Path], root: Path, change: Callable[[str], str] = str
) -> dict[str, Path]:
    """Index files by their path below a folder without suffix."""
    named: dict[str, Path] = {}
    for path in files:
        parent = path.relative_to(root).parent
        first = named.setdefault((parent / change(stem(path))).as_posix(), path)
        if first != path:
            raise DataError(f'{first} and {path} have the same name: remove one of them')
    return named


def _by_number(names: Iterable[str]) -> dict[int, str]:
    """Index names by their last number; empty if one has no number or two have the same."""
    numbers: dict[int, str] = {}
    for name in names:
        digits = re.findall(r'\d+', name)
        if not digits or numbers.setdefault(int(digits[-1]), name) != name:
            return {}
    return numbers


def _unmarked(name: str) -> str:
    return MASK_ENDING.sub('', name)

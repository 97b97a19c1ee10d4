"""Find the images of a folder and their masks."""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ...errors import DataError
from ...io import counted, is_dicom, stem
from ...io.dicom import DICOMDIR
from ...io.output import MANIFEST
from ...io.slices import IMAGES, SUFFIXES
from ..convert import Pair, match

IMAGE_FOLDERS = ('images', 'image', 'imgs', 'img', 'raw', 'jpegimages')
MASK_FOLDERS = (
    'masks',
    'mask',
    'annotations',
    'labels',
    'label',
    'gt',
    'ground_truth',
    'segmentationclass',
)
SPLIT_FOLDERS = dict(
    train='train',
    training='train',
    val='val',
    valid='val',
    validation='val',
    test='test',
    testing='test',
)
FINGERPRINT = 'dataset.yaml'
MASK_ENDING = re.compile(r'[_-](mask|masks|label|labels|lab|seg|gt|annotation)$', re.IGNORECASE)


class Files(NamedTuple):
    """The pairs of a folder.

    Attributes:
        pairs: The pairs, sorted by name: the path of the image below its folder, without suffix,
            with '/'.
        root: Folder of the images, to which the names are relative.
        splits: Names of 'train', 'val' and 'test' if the folder has such folders; otherwise empty.
        notes: What the user should know about the search, as sentences without a full stop.
    """

    pairs: list[Pair]
    root: Path
    splits: dict[str, list[str]]
    notes: list[str]


def find_files(source: Path, images: Path | None = None, masks: Path | None = None) -> Files:
    """Find images and masks in a folder.

    The folder has a folder of images and one of masks (``IMAGE_FOLDERS``, ``MASK_FOLDERS``), or the
    pairs ``<name>.<type>`` and ``<name>_mask.<type>``. Both may have subfolders. Folders for
    training, validation and test may contain these layouts, or be inside of them.

    Args:
        source: The folder.
        images: Folder of the images, to override the search; needs ``masks``.
        masks: Folder of the masks.

    Raises:
        DataError: If the folder has no known layout, or an image or a mask has no counterpart.
    """
    for folder in filter(None, (source, images, masks)):
        if not folder.is_dir():
            raise DataError(f'{folder} is not a folder: name the folder of the images and masks')
    notes: list[str] = []
    if images is not None and masks is not None:
        pairs, root = _pair_folders(images, masks, notes), images
    else:
        folders = _split_folders(source)
        root = source
        if folders:
            pairs = []
            for folder in folders:
                for pair in _pairs_of(folder, notes)[0]:
                    name = _without_suffix(pair.image.relative_to(source))
                    pairs.append(pair._replace(name=name))
            others = [path for path in sorted(source.iterdir()) if _is_beside(path, folders)]
            if others:
                names = ', '.join(path.name for path in others[:3])
                more = f' and {len(others) - 3} more' if others[3:] else ''
                notes.append(f'{names}{more} beside the folders of the splits: not used')
        else:
            pairs, root = _pairs_of(source, notes)
    if not pairs:
        raise DataError(
            f'{source} contains no images with masks: put them into the folders images/ and '
            'masks/, or name the folders with --images and --masks'
        )
    _check_names(pairs)
    return Files(sorted(pairs), root, _splits(pairs), list(dict.fromkeys(notes)))


def split_files(source: Path, names: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """Read the splits of a folder in the layout of this project's converters.

    Args:
        source: The folder; its splits are ``splits/<fold>/{train,val,test}.txt`` or
            ``splits/{train,val,test}.txt``, of which one of the last two may be missing. They list
            names with or without the suffix of the file.
        names: Names of all images and slices.

    Returns:
        The names of 'train', 'val' and 'test' of each fold; empty if there are no such files.

    Raises:
        DataError: If a file lists an image that is missing, or is not encoded in UTF-8.
    """
    known = set(names)
    numbered = sorted(source.glob('splits/fold*'), key=lambda path: (len(path.name), path.name))
    folders = [*numbered, source / 'splits']
    folds: dict[str, dict[str, list[str]]] = {}
    for folder in folders:
        files = [folder / f'{split}.txt' for split in ('train', 'val', 'test')]
        files = [file for file in files if file.is_file()]
        if len(files) < 2 or files[0].stem != 'train' or (folds and folder.name == 'splits'):
            continue
        split = folds[f'fold{len(folds)}'] = {}
        for file in files:
            split[file.stem] = [
                line if line in known else _without_suffix(Path(line)) for line in _lines(file)
            ]
            missing = [line for line in split[file.stem] if line not in known]
            if missing or not split[file.stem]:
                what = f'lists {missing[0]}, which is missing' if missing else 'is empty'
                raise DataError(f'{file} {what}: correct it, or remove {source / "splits"}')
    return folds


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


def _lines(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding='utf-8-sig').split('\n')
    except UnicodeDecodeError as error:
        raise DataError(f'{file} is not encoded in UTF-8 ({error}): save it in UTF-8') from error
    return [line.strip() for line in lines if line.strip()]


def _without_suffix(path: Path) -> str:
    return (path.parent / stem(path)).as_posix()


def _check_names(pairs: Sequence[Pair]) -> None:
    """Refuse names that the lists of the splits cannot contain."""
    for pair in pairs:
        try:
            f'{pair.image}{pair.mask}'.encode()
        except UnicodeEncodeError as error:
            file = ascii(str(pair.image))
            raise DataError(f'{file} or its mask is not encoded in UTF-8: rename it') from error
        if pair.name.splitlines() != [pair.name.strip()]:
            raise DataError(
                f"the name of '{pair.image}' begins or ends with a space, or contains a line "
                'break: rename it and its mask'
            )


def _split_folders(source: Path) -> list[Path]:
    """Return the folders for training, validation and test, if there are at least two."""
    folders = [path for path in _folders(source) if path.name.lower() in SPLIT_FOLDERS]
    return folders if len(folders) > 1 else []


def _is_beside(path: Path, folders: Sequence[Path]) -> bool:
    """Return whether a path may contain images, but none of these folders."""
    supported = path.is_dir() or path.name.lower().endswith(SUFFIXES)
    used = (folder.resolve().is_relative_to(path.resolve()) for folder in folders)
    return supported and path.name[0] != '.' and not any(used)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != '.')


def _pairs_of(source: Path, notes: list[str]) -> tuple[list[Pair], Path]:
    """Find the pairs of one folder, and the folder of the images."""
    folders = {path.name.lower(): path for path in _folders(source)}
    images = [folders[name] for name in IMAGE_FOLDERS if name in folders]
    masks = [folders[name] for name in MASK_FOLDERS if name in folders]
    if images and masks:
        for kind, several in (('images', images), ('masks', masks)):
            if several[1:]:
                raise DataError(
                    f'{several[0]} and {several[1]} could both be the folder of the {kind}: name '
                    'the folders with --images and --masks'
                )
        return _pair_folders(images[0], masks[0], notes), images[0]
    found: list[str] = []
    files = _files(source, found)
    beside = [path for path in files if not any(map(path.is_relative_to, masks))]
    if masks and not any(MASK_ENDING.search(stem(path)) for path in beside):
        parts = (path.relative_to(source).parts for path in beside if path.parent != source)
        others = [source / name for name in dict.fromkeys(first for first, *_ in parts)]
        if not others and any(path.parent == source for path in beside):
            return _pair_folders(source, masks[0], notes, below=False), source
        if len(others) == 1 and not masks[1:]:
            return _pair_folders(others[0], masks[0], notes), others[0]
    notes += found
    marked = [path for path in files if MASK_ENDING.search(stem(path))]
    if not marked:
        named = f'{source} has {masks[0].name}/, but no' if masks else f'{source} has no'
        raise DataError(
            f'{named} folder of {"images" if masks else "masks"} and no files that end in _mask: '
            'put the files into images/ and masks/, or name the folders with --images and --masks'
        )
    image_names = _by_name((path for path in files if path not in set(marked)), source)
    mask_names = _by_name(marked, source, lambda name: MASK_ENDING.sub('', name))
    return match(image_names, mask_names), source


def _pair_folders(images: Path, masks: Path, notes: list[str], *, below: bool = True) -> list[Pair]:
    """Pair the files of two folders: by name, by name without ending, or by number."""
    files, labels = _files(images, notes, without=masks.resolve()), _files(masks, notes)
    if not below:
        files = [path for path in files if path.parent == images]
    image_names = _by_name(files, images)
    mask_names = _by_name(labels, masks)
    if set(image_names) != set(mask_names):
        trimmed = _by_name(labels, masks, lambda name: MASK_ENDING.sub('', name))
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


def _files(folder: Path, notes: list[str], without: Path | None = None) -> list[Path]:
    """List the files of supported types below a folder; note the others.

    Links to folders elsewhere are followed, each once; not those to this folder, its parents and
    what is in it. The folder ``without`` and projects that ``tools/new_dataset.py`` wrote are left
    out.
    """
    files, others, seen, top = [], [], {without}, folder.resolve()
    for root, folders, names in os.walk(folder, followlinks=True):
        own = Path(root).resolve()
        if own in seen:
            folders.clear()
            continue
        seen.add(own)
        folders[:] = sorted(
            name
            for name in folders
            if not (
                name.startswith('.')
                or _leads_back(Path(root, name), top)
                or _is_project(Path(root, name))
            )
        )
        for name in sorted(names):
            path = Path(root, name)
            if name.startswith('.') or name.upper() == DICOMDIR:
                continue
            if not path.exists() and name.lower().endswith(SUFFIXES):
                raise DataError(
                    f'{path} is a link to {os.readlink(path)}, which is missing: get that file, or '
                    'remove the link'
                )
            if not path.is_file():
                continue
            supported = name.lower().endswith(SUFFIXES) or is_dicom(path)
            (files if supported else others).append(path)
    if others:
        notes.append(
            f'{counted(len(others), "file")} in {folder} of another type '
            f'{"is" if len(others) == 1 else "are"} not used, such as {others[0].name}'
        )
    return files


def _is_project(folder: Path) -> bool:
    """Return whether a folder is a project of this tool."""
    return all((folder / name).is_file() for name in (FINGERPRINT, MANIFEST))


def _leads_back(path: Path, top: Path) -> bool:
    """Return whether a path is a link to a folder, its parents or what is in it."""
    target = path.resolve()
    return path.is_symlink() and (target.is_relative_to(top) or top.is_relative_to(target))


def _by_name(
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


def _splits(pairs: Sequence[Pair]) -> dict[str, list[str]]:
    """Return the names of each split if all names begin with the folder of a split."""
    splits: dict[str, list[str]] = {}
    for pair in pairs:
        split = SPLIT_FOLDERS.get(PurePosixPath(pair.name).parts[0].lower())
        if split is None or '/' not in pair.name:
            return {}
        splits.setdefault(split, []).append(pair.name)
    return splits if len(splits) > 1 else {}


def is_plain_image(path: Path) -> bool:
    """Return whether a file is a PNG, JPEG or TIFF file by its name."""
    return path.name.lower().endswith(IMAGES)

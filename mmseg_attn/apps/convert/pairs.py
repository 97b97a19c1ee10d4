"""Find the pairs of images and masks in a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ...errors import DataError
from ...io import counted
from ...io.dicom import DICOMDIR
from ...io.slices import stem

MASK_FOLDERS = ('masks', 'annotations', 'labels')


class Pair(NamedTuple):
    """An image file and its mask.

    Attributes:
        name: The name of the pair.
        image: The file of the image.
        mask: The file of the mask.
    """

    name: str
    image: Path
    mask: Path


def find_cases(source: Path) -> dict[str, list[Pair]]:
    """Find images and masks of the same name.

    The folder has ``images/`` and one of ``MASK_FOLDERS``, or the pairs ``<name>.<type>`` and
    ``<name>_mask.<type>``. In the first layout, a subfolder of the same name in both folders is one
    case of several files. Hidden files and the index of a DICOM folder are skipped.

    Args:
        source: The folder.

    Returns:
        The pairs of every case, by the name of the case. A file is a case of one pair.

    Raises:
        DataError: If the folder has no known layout, or an image or a mask has no counterpart.
    """
    if not source.is_dir():
        raise DataError(f'{source} is not a folder: name the folder of the images and masks')
    if (source / 'images').is_dir():
        folders = [source / name for name in MASK_FOLDERS if (source / name).is_dir()]
        if len(folders) != 1:
            raise DataError(
                f'{source} has images/ and {len(folders)} of the folders '
                f'{", ".join(MASK_FOLDERS)}: keep exactly one folder of masks'
            )
        images, masks = _entries(source / 'images'), _entries(folders[0], masks=True)
    else:
        files = {name: path for name, path in _entries(source).items() if path.is_file()}
        images = {name: path for name, path in files.items() if not name.endswith('_mask')}
        masks = {
            name.removesuffix('_mask'): path
            for name, path in files.items()
            if name.endswith('_mask')
        }
    return {pair.name: _files(pair) for pair in match(images, masks)}


def _files(case: Pair) -> list[Pair]:
    name, image, mask = case
    if image.is_dir() != mask.is_dir():
        raise DataError(f'{image} and {mask} are a file and a folder: use two files or two folders')
    if image.is_file():
        return [case]
    pairs = match(_entries(image), _entries(mask, masks=True))
    if not pairs:
        raise DataError(f'{image} is empty: add its slices or remove it')
    return [pair._replace(name=f'{name}_{pair.name}') for pair in pairs]


def match(images: Mapping[str, Path], masks: Mapping[str, Path]) -> list[Pair]:
    """Pair images and masks by their names.

    Raises:
        DataError: If an image or a mask has no counterpart.
    """
    for files, others, partner in ((images, masks, 'mask'), (masks, images, 'image')):
        unmatched = sorted(set(files) - set(others))
        if unmatched:
            alone, rest = f'{files[unmatched[0]]} has no {partner}', len(unmatched) - 1
            if rest:
                verb = 'has' if rest == 1 else 'have'
                raise DataError(
                    f'{alone}, and {counted(rest, "more file")} {verb} none: add what is missing, '
                    'or remove these files'
                )
            raise DataError(f'{alone}: add it, or remove this file')
    return [Pair(name, images[name], masks[name]) for name in sorted(images)]


def _entries(folder: Path, *, masks: bool = False) -> dict[str, Path]:
    """List the visible files and folders, by their names without suffix."""
    entries: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith('.') or path.name.upper() == DICOMDIR:
            continue
        name = stem(path) if path.is_file() else path.name
        first = entries.setdefault(name.removesuffix('_mask') if masks else name, path)
        if first != path:
            raise DataError(f'{first} and {path} have the same name: remove one of them')
    return entries

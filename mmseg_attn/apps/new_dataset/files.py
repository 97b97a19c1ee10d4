"""Find the images of a folder and their masks."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import DataError
from ...io.slices import SUFFIXES
from ..convert import Pair
from .pairing import is_marked, name_of, pair_folders, pair_marked
from .search import list_files
from .split_files import SPLIT_FOLDERS, splits_of

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
        pairs, root = pair_folders(images, masks, notes), images
    else:
        folders = _split_folders(source)
        root = source
        if folders:
            pairs = []
            for folder in folders:
                for pair in _pairs_of(folder, notes)[0]:
                    name = name_of(pair.image.relative_to(source))
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
    return Files(sorted(pairs), root, splits_of(pairs), list(dict.fromkeys(notes)))


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
        return pair_folders(images[0], masks[0], notes), images[0]
    found: list[str] = []
    files = list_files(source, found)
    beside = [path for path in files if not any(map(path.is_relative_to, masks))]
    if masks and not any(map(is_marked, beside)):
        parts = (path.relative_to(source).parts for path in beside if path.parent != source)
        others = [source / name for name in dict.fromkeys(first for first, *_ in parts)]
        if not others and any(path.parent == source for path in beside):
            return pair_folders(source, masks[0], notes, below=False), source
        if len(others) == 1 and not masks[1:]:
            return pair_folders(others[0], masks[0], notes), others[0]
    notes += found
    if not any(map(is_marked, files)):
        named = f'{source} has {masks[0].name}/, but no' if masks else f'{source} has no'
        raise DataError(
            f'{named} folder of {"images" if masks else "masks"} and no files that end in _mask: '
            'put the files into images/ and masks/, or name the folders with --images and --masks'
        )
    return pair_marked(files, source), source

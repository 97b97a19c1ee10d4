"""Find the files to predict, and give the results of each file a unique name."""

import logging
import os
from collections.abc import Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

from mmengine.logging import print_log

from ...io import is_dicom, read_manifest, stem
from ...io.dicom import DICOMDIR
from ...io.ome_zarr import is_zarr
from ...io.slices import SUFFIXES, ZARR

# of the result files and folders of an item
ENDINGS = ('', '.png', '.tif', '.tif.aux.xml', '.geojson', '.nii', '.nii.gz', '.zarr', '_slices')

# Of the files in a folder. Those after SUFFIXES are images that only some loaders read: they are
# not skipped without a reason.
IMAGES = (
    *SUFFIXES,
    ZARR,
    *('.avif', '.bmp', '.exr', '.gif', '.heic', '.j2k', '.jp2', '.jxl', '.mha', '.nrrd', '.pgm'),
    *('.ppm', '.webp'),
)

CONVERTER = 'predict'  # the tool, in the manifest of its results


class Item(NamedTuple):
    """A file to predict.

    Attributes:
        path: The file.
        name: Name of its results, without suffix; may contain folders.
    """

    path: Path
    name: str


def find_items(
    inputs: Sequence[Path], *, exclude: Path, suffixes: Sequence[str] = ()
) -> tuple[list[Item], list[Path]]:
    """List images, also those in folders at any depth.

    Results have the name of the file. For a file in a folder, the name includes the relative path,
    after the name of the folder if there are several inputs. If a name is taken, the type of the
    file is appended, then a number. Hidden files and the indexes of DICOM folders are skipped. Each
    file is listed once, also if links lead to it; a link to a missing file is listed.

    Args:
        inputs: Files and folders; a Zarr folder is a file. Files are listed whatever their type,
            even if they are missing.
        exclude: The output folder, which is skipped, as is the folder of its shards.
        suffixes: Suffixes of the files in folders, in lower case; without any, those of images,
            and DICOM files.

    Returns:
        The items, and the folders that contain no images.
    """
    items: list[Item] = []
    empty: list[Path] = []
    seen: set[Path] = set()
    names = _Names()
    outputs = exclude.resolve(), shards_root(exclude).resolve()
    for entry in inputs:
        named = [(entry, stem(entry))]
        if entry.is_dir() and (suffixes or not is_zarr(entry)):
            prefix = entry.resolve().name if len(inputs) > 1 else ''
            files = list(_images(entry, outputs, tuple(suffixes)))
            named = [
                (path, Path(prefix, path.relative_to(entry)).with_name(stem(path)).as_posix())
                for path in files
            ]
            empty += [] if files else [entry]
        for path, name in named:
            if path.resolve() not in seen:
                seen.add(path.resolve())
                items.append(Item(path, names.add(name, path)))
    return items, empty


def shards_root(out: Path) -> Path:
    """Return the folder beside an output folder that contains its shards."""
    out = out.resolve() if out.name in ('', '..') else out
    return out.with_name(f'{out.name}.shards')


def _images(folder: Path, exclude: tuple[Path, Path], suffixes: tuple[str, ...]) -> Iterator[Path]:
    for path in sorted(_files(folder, exclude, set(), zarr=not suffixes)):
        index = path.name.upper() == DICOMDIR
        image = path.name.lower().endswith(suffixes or IMAGES) or path.is_dir()  # of Zarr
        dicom = not suffixes and path.is_file() and is_dicom(path)
        if not index and (image or dicom):
            yield path


def _files(
    folder: Path, exclude: tuple[Path, Path], seen: set[Path], *, zarr: bool
) -> Iterator[Path]:
    """Yield all files that are not hidden; follow links, and enter each folder once.

    Folders inside with results of predictions are left out. With ``zarr``, a Zarr folder counts as
    a file.
    """
    own = folder.resolve()
    if own in seen or any(map(own.is_relative_to, exclude)):
        return
    seen.add(own)
    try:
        entries = [*os.scandir(folder)]
    except OSError as error:
        print_log(f'{folder} is left out: {error.strerror}', 'current', logging.WARNING)
        return
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith('.'):
            continue
        if zarr and is_zarr(path):
            yield path
        elif entry.is_dir() and read_manifest(path).get('converter') != CONVERTER:
            yield from _files(path, exclude, seen, zarr=zarr)
        elif not entry.is_dir() and (entry.is_file() or entry.is_symlink()):
            yield path


class _Names:
    """Choose names that do not collide as files or folders, on disks that ignore case too."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.folders: set[str] = set()

    def add(self, preferred: str, path: Path) -> str:
        kind = path.name[len(stem(path)) + 1 :].replace('.', '_')
        typed = f'{preferred}_{kind}' if kind else preferred
        flat = typed.replace('/', '_')
        candidates = chain((preferred, typed), (f'{flat}_{i}' for i in count(2)))
        name = next(name for name in candidates if self._is_free(name))
        self.files |= self._files(name)
        self.folders |= self._folders(name)
        return name

    def _is_free(self, name: str) -> bool:
        taken = self.files | self.folders
        return not (self._files(name) & taken or self._folders(name) & self.files)

    @staticmethod
    def _files(name: str) -> set[str]:
        return {name.lower() + ending for ending in ENDINGS}

    @staticmethod
    def _folders(name: str) -> set[str]:
        return {parent.as_posix() for parent in Path(name.lower()).parents} - {'.'}

"""Find the files to predict, and a name for the results of each that no other has."""

from collections.abc import Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

from ...io import is_dicom, stem
from ...io.dicom import DICOMDIR
from ...io.slices import SUFFIXES

# what a result called x may be called on the disk
ENDINGS = ('', '.png', '.tif', '.nii', '.nii.gz', '_slices')


class Item(NamedTuple):
    """A file to predict.

    Attributes:
        path: The file.
        name: What its results are called, without type; may have folders in it.
    """

    path: Path
    name: str


def find_items(inputs: Sequence[Path], *, exclude: Path) -> tuple[list[Item], list[Path]]:
    """List images, and what a folder holds of them at any depth.

    Results are called like the file; in folders, with the way to it, after the name of the folder
    if several inputs are given. A name that is taken gets the type of the file, then a number.
    Hidden files and the indexes of DICOM folders do not count, and each file counts once.

    Args:
        inputs: Files and folders; a file is taken whatever its type, and even if it is missing.
        exclude: The folder of the results.

    Returns:
        The items, and the folders that hold none.
    """
    items: list[Item] = []
    empty: list[Path] = []
    seen: set[Path] = set()
    names = _Names()
    for given in inputs:
        found = [(given, stem(given))]
        if given.is_dir():
            prefix = given.resolve().name if len(inputs) > 1 else ''
            files = list(_images(given, exclude.resolve()))
            found = [
                (path, Path(prefix, path.relative_to(given)).with_name(stem(path)).as_posix())
                for path in files
            ]
            empty += [] if files else [given]
        for path, name in found:
            if path.resolve() not in seen:
                seen.add(path.resolve())
                items.append(Item(path, names.add(name, path)))
    return items, empty


def _images(folder: Path, exclude: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob('*')):
        hidden = any(part.startswith('.') for part in path.relative_to(folder).parts)
        index = path.name.upper() == DICOMDIR
        if hidden or index or not path.is_file() or path.resolve().is_relative_to(exclude):
            continue
        if path.name.lower().endswith(SUFFIXES) or is_dicom(path):
            yield path


class _Names:
    """Names of which none is another's file or folder, on disks that ignore case too."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.folders: set[str] = set()

    def add(self, wanted: str, path: Path) -> str:
        kind = path.name[len(stem(path)) + 1 :].replace('.', '_')
        typed = f'{wanted}_{kind}' if kind else wanted
        flat = typed.replace('/', '_')
        candidates = chain((wanted, typed), (f'{flat}_{i}' for i in count(2)))
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

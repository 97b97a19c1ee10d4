"""List the images and masks below a folder, whatever their names."""

import os
from pathlib import Path

from ...errors import DataError
from ...io import counted, is_dicom
from ...io.dicom import DICOMDIR
from ...io.output import MANIFEST
from ...io.slices import SUFFIXES

FINGERPRINT = 'dataset.yaml'


def list_files(folder: Path, notes: list[str], without: Path | None = None) -> list[Path]:
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

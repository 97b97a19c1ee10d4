"""Unpack zip and tar archives without trusting them."""

import errno
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from ..errors import DataError

MAX_UNPACKED_GIB = 8
BLOCK = tarfile.BLOCKSIZE

# name, size in bytes, and a function that opens the content
Member = tuple[str, int, Callable[[], IO[bytes]]]


def unpack(archive: Path, target: Path, *, max_bytes: int = MAX_UNPACKED_GIB * 2**30) -> None:
    """Unpack the regular files of an archive.

    Names, kinds and sizes of all members are checked before the first byte is written.

    Args:
        archive: A zip, tar, tar.gz, tar.bz2 or tar.xz file.
        target: An existing folder; nothing is written outside it.
        max_bytes: The largest size of the unpacked files in bytes.

    Raises:
        DataError: If the file is not an archive, is damaged, encrypted or too large, or contains a
            link, a device, a file twice, a file in a file, or a name outside the target.
        OSError: If the target cannot be written.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                _write(archive, _zip_members(archive, opened), target, max_bytes)
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as opened:
                _write(archive, _tar_members(archive, opened), target, max_bytes)
        else:
            raise DataError(f'{archive} is not a complete zip or tar archive: download it again')
    except DataError:
        raise
    except Exception as error:  # on damaged input the decoders raise nearly anything
        if getattr(error, 'errno', None) not in (None, errno.EINVAL):  # EINVAL: a bad offset in it
            raise  # the disk, not the archive
        raise DataError(f'{archive} cannot be unpacked ({error}): download it again') from error


def _write(archive: Path, members: Iterator[Member], target: Path, max_bytes: int) -> None:
    checked: dict[Path, Member] = {}
    folders: set[Path] = set()
    total = 0
    for name, size, open_member in members:
        path = target / _relative(archive, name)
        if path in checked:
            raise DataError(f'{archive} contains {name!r} twice: download it again')
        folders |= {*path.parents}
        total += size
        if total > max_bytes:
            raise DataError(
                f'{archive} unpacks to more than {max_bytes / 2**30:g} GiB: '
                'raise --max-unpacked-size if you trust it'
            )
        checked[path] = name, size, open_member
    for path in folders & checked.keys():
        raise DataError(
            f'{archive} contains {checked[path][0]!r} as a file and as a folder: download it again'
        )
    for path, (name, size, open_member) in checked.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_member() as source, path.open('xb') as file:
            shutil.copyfileobj(source, file)  # zipfile compares the checksum at the end
        if path.stat().st_size != size:
            raise DataError(f'{archive} is truncated, as {name!r} is incomplete: download it again')


def _relative(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name.replace('\\', '/'))
    if path.is_absolute() or not path.parts or '..' in path.parts or ':' in path.parts[0]:
        raise DataError(
            f'{archive} contains {name!r}, which lies outside the target folder: use another '
            'archive'
        )
    return path


def _zip_members(archive: Path, opened: zipfile.ZipFile) -> Iterator[Member]:
    for info in opened.infolist():
        if info.is_dir():
            continue
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise DataError(
                f'{archive} contains {info.filename!r}, which is not a regular file: use another '
                'archive'
            )
        yield info.filename, info.file_size, lambda info=info: opened.open(info)


def _tar_members(archive: Path, opened: tarfile.TarFile) -> Iterator[Member]:
    for info in opened:
        if info.isdir():
            continue
        if not info.isreg():
            raise DataError(
                f'{archive} contains {info.name!r}, which is not a regular file: use another '
                'archive'
            )
        yield info.name, info.size, lambda info=info: opened.extractfile(info)
    # tarfile treats a missing or damaged header as the end, which has an empty block as its mark.
    # Compressed files have their checksum after the padding: read on to compare it.
    opened.fileobj.seek(opened.offset)
    if opened.fileobj.read(2**20)[:BLOCK] != bytes(BLOCK):
        raise DataError(
            f'{archive} is truncated or damaged, as its end mark is missing: download it again'
        )

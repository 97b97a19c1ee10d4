import io
import random
import stat
import tarfile
import zipfile

import pytest

from mmseg_attn.errors import DataError
from mmseg_attn.io import unpack

FILES = {'top/raw/00.tif': b'a' * 1000, 'top/labels/x.png': bytes(range(256)) * 40}


def make_zip(path, files=FILES, **options):
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED, **options) as archive:
        archive.mkdir('top') if hasattr(archive, 'mkdir') else archive.writestr('top/', '')
        for name, data in files.items():
            archive.writestr(name, data)


def make_tar(path, files=FILES, extra=()):
    mode = 'w:' + path.name.removeprefix('a.tar').removeprefix('.')
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in extra:
            archive.addfile(info)


def make(path, files=FILES):
    make_zip(path, files) if path.suffix == '.zip' else make_tar(path, files)


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / 'target'
    folder.mkdir()
    return folder


def contents(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob('*') if p.is_file()
    }


def refused(tmp_path, archive, target, match, **options):
    """The archive is refused by a sentence that names it, and nothing is written."""
    with pytest.raises(DataError, match=f'{archive.name} .*{match}'):
        unpack(archive, target, **options)
    assert not any(target.iterdir())
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([archive.name, 'target'])


@pytest.mark.parametrize('name', ['a.zip', 'a.tar', 'a.tar.gz', 'a.tar.bz2', 'a.tar.xz'])
def test_unpacks(tmp_path, target, name):
    make(tmp_path / name)
    unpack(tmp_path / name, target)
    assert contents(target) == FILES


ESCAPES = ['../x', '/x', 'a/../../x', '..\\x', 'C:\\x', 'a\\..\\..\\x', '//host/x']


@pytest.mark.parametrize('name', ESCAPES)
@pytest.mark.parametrize('kind', ['zip', 'tar'])
def test_names_that_leave_the_target_are_refused(tmp_path, target, name, kind):
    archive = tmp_path / f'a.{kind}'
    files = FILES | {name: b'x'}
    make(archive, files)
    refused(tmp_path, archive, target, 'outside the target folder:')


def test_symlink_in_zip_is_refused(tmp_path, target):
    info = zipfile.ZipInfo('top/link')
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    make_zip(tmp_path / 'a.zip', FILES | {info: '/etc'})
    refused(tmp_path, tmp_path / 'a.zip', target, "'top/link', which is not a regular file:")


NO_FILES = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]


@pytest.mark.parametrize('kind', NO_FILES)
def test_links_and_devices_in_tar_are_refused(tmp_path, target, kind):
    info = tarfile.TarInfo('top/odd')
    info.type, info.linkname = kind, 'top/raw/00.tif'
    make_tar(tmp_path / 'a.tar', extra=[info])
    refused(tmp_path, tmp_path / 'a.tar', target, "'top/odd', which is not a regular file:")


@pytest.mark.filterwarnings('ignore:Duplicate name')
def test_same_name_twice_is_refused(tmp_path, target):
    make_zip(tmp_path / 'a.zip', FILES | {zipfile.ZipInfo('top/raw/00.tif'): b'b'})
    refused(tmp_path, tmp_path / 'a.zip', target, 'twice')


@pytest.mark.parametrize('name', ['a.zip', 'a.tar'])
@pytest.mark.parametrize('files', [{'top': b'x', 'top/y': b''}, {'top/y/z': b'', 'top/y': b'x'}])
def test_a_file_that_is_a_folder_too_is_refused(tmp_path, target, name, files):
    make(tmp_path / name, FILES | files) if 'top' not in files else make(tmp_path / name, files)
    refused(tmp_path, tmp_path / name, target, 'as a file and as a folder')


@pytest.mark.parametrize('name', ['a.zip', 'a.tar.gz'])
def test_size_limit(tmp_path, target, name):
    files = {'zeros': bytes(2**20), 'more': b'x'}
    make(tmp_path / name, files)
    assert (tmp_path / name).stat().st_size < 2**13
    refused(tmp_path, tmp_path / name, target, '--max-unpacked-size', max_bytes=2**20)
    unpack(tmp_path / name, target, max_bytes=2**20 + 1)
    assert contents(target) == files


def test_size_that_the_header_belittles_is_refused(tmp_path, target):
    make_zip(tmp_path / 'a.zip', {'zeros': bytes(2**20)})
    data, size = (tmp_path / 'a.zip').read_bytes(), (2**20).to_bytes(4, 'little')
    (tmp_path / 'a.zip').write_bytes(data.replace(size, bytes([9, 0, 0, 0])))
    with pytest.raises(DataError, match=r'a\.zip cannot be unpacked'):
        unpack(tmp_path / 'a.zip', target, max_bytes=1000)
    assert sum(map(len, contents(target).values())) <= 9


def test_a_member_that_is_shorter_than_its_header_says_is_refused(tmp_path, target):
    make_zip(tmp_path / 'a.zip', {'zeros': bytes(2**20)})
    data, size = (tmp_path / 'a.zip').read_bytes(), (2**20).to_bytes(4, 'little')
    (tmp_path / 'a.zip').write_bytes(data.replace(size, (2**20 + 1).to_bytes(4, 'little')))
    with pytest.raises(DataError, match=r"is truncated, as 'zeros' is incomplete:"):
        unpack(tmp_path / 'a.zip', target)


@pytest.mark.parametrize('name', ['a.zip', 'a.tar', 'a.tar.gz', 'a.tar.xz'])
def test_truncated_archives_are_refused(tmp_path, target, name):
    archive = tmp_path / name
    make(archive)
    data = archive.read_bytes()
    end = len(data.rstrip(b'\0'))  # behind it a tar is padding
    for length in [*range(0, end, end // 9), end - 1]:
        archive.write_bytes(data[:length])
        with pytest.raises(DataError, match=f'{name} (is no|cannot be|is truncated)'):
            unpack(archive, target)


def test_encrypted_zip_is_refused(tmp_path, target):
    make_zip(tmp_path / 'a.zip')
    data = bytearray((tmp_path / 'a.zip').read_bytes())
    for magic, offset in ((b'PK\x03\x04', 6), (b'PK\x01\x02', 8)):
        at = data.find(magic)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(magic, at + 1)
    (tmp_path / 'a.zip').write_bytes(data)
    with pytest.raises(DataError, match=r'cannot be unpacked .*encrypted'):
        unpack(tmp_path / 'a.zip', target)


def test_a_full_disk_is_not_blamed_on_the_archive(tmp_path, target, monkeypatch):
    def no_space(*args):
        raise OSError(28, 'No space left on device')

    make_zip(tmp_path / 'a.zip')
    monkeypatch.setattr('shutil.copyfileobj', no_space)
    with pytest.raises(OSError, match='No space left'):
        unpack(tmp_path / 'a.zip', target)


@pytest.mark.parametrize('name', ['a.zip', 'a.tar', 'a.tar.gz'])
def test_mutated_archives_unpack_inside_or_give_our_error(tmp_path, target, name):
    archive = tmp_path / name
    make(archive)
    data, generator, refusals = archive.read_bytes(), random.Random(0), 0
    for i in range(150):
        changed = bytearray(data)
        for _ in range(generator.choice([1, 5])):
            changed[generator.randrange(len(data))] = generator.randrange(256)
        archive.write_bytes(changed)
        (target / str(i)).mkdir()
        try:
            unpack(archive, target / str(i), max_bytes=2**24)
        except (DataError, OSError):
            refusals += 1
    assert refusals > 20
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, 'target'])

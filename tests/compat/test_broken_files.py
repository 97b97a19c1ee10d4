"""Damaged files, and files that claim to be large, are refused with a sentence and no memory."""

import resource
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mmseg_attn.compat.checkpoint import load_file
from mmseg_attn.errors import CheckpointError
from tests.hostile import claim, cut

LIMIT = 2 * 2**30  # more than a refusal may take
BILLION = struct.pack('<i', 10**9)


@pytest.fixture
def small(tmp_path) -> Path:
    torch.save(dict(state_dict=dict(weight=torch.arange(6.0))), tmp_path / 'small.pth')
    return tmp_path / 'small.pth'


@pytest.fixture
def limited():
    """Gigabytes cannot be had."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + LIMIT, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def rewritten(file: Path, change: Callable[[str, bytes], bytes], kind=zipfile.ZIP_STORED) -> None:
    """Change the records in a checkpoint, with correct checksums."""
    with zipfile.ZipFile(file) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, 'w', kind) as archive:
        for name, data in records.items():
            archive.writestr(name, change(Path(name).name, data))


def in_pickle(old: bytes, new: bytes, *, last: bool = False) -> Callable[[str, bytes], bytes]:
    def change(name, data):
        if name != 'data.pkl':
            return data
        assert old in data
        return new.join(data.rsplit(old, 1)) if last else data.replace(old, new)

    return change


def directory(file: Path, offset: int, value: bytes) -> None:
    """Overwrite a field of every entry in the directory of a zip archive."""
    data = bytearray(file.read_bytes())
    at = data.find(b'PK\x01\x02')
    while at >= 0:
        data[at + offset : at + offset + len(value)] = value
        at = data.find(b'PK\x01\x02', at + 1)
    file.write_bytes(data)


def one_record_many_times(file: Path) -> None:
    """A hundred names for the same bytes."""
    with zipfile.ZipFile(file, 'w') as archive:
        archive.writestr('small/data.pkl', b'\x80\x02}.')
        archive.writestr('small/data/0', bytes(2**20))
        first = archive.filelist[1]
        for i in range(1, 100):
            copy = zipfile.ZipInfo(f'small/data/{i}')
            for field in ('header_offset', 'CRC', 'compress_size', 'file_size', 'flag_bits'):
                setattr(copy, field, getattr(first, field))
            archive.filelist.append(copy)
            archive.NameToInfo[copy.filename] = copy


def again(file: Path, name: str) -> None:
    """Add a record with a name that the archive has already."""
    with zipfile.ZipFile(file, 'a') as archive, warnings.catch_warnings():
        warnings.simplefilter('ignore')  # it warns of the duplicate
        archive.writestr(name, b'\x80\x02}.')


def legacy(file: Path) -> None:
    """Claim 16 GB, more than a process that runs many tests can find in its freed memory."""
    content = dict(state_dict=dict(weight=torch.arange(6, dtype=torch.float64)))
    torch.save(content, file, _use_new_zipfile_serialization=False)
    claimed = b'J' + struct.pack('<i', 2 * 10**9)
    file.write_bytes(file.read_bytes().replace(b'K\x06', claimed))


BROKEN = {
    'storage of 4 GB': (
        lambda f: rewritten(f, in_pickle(b'K\x06', b'J' + BILLION)),
        'a storage in it claims more bytes than it has',
    ),
    'tensor of 4 GB': (
        lambda f: rewritten(f, in_pickle(b'K\x06', b'J' + BILLION, last=True)),
        'a tensor in it is larger than its storage',
    ),
    'swapped bytes of 4 GB': (
        lambda f: rewritten(
            f,
            lambda name, data: (
                b'big' if name == 'byteorder' else in_pickle(b'K\x06', b'J' + BILLION)(name, data)
            ),
        ),
        'a storage in it claims more bytes than it has',
    ),
    'storage of 16 GB, legacy': (legacy, 'more memory than there is'),
    'records of 3 GB': (
        lambda f: directory(f, 24, struct.pack('<I', 3 * 2**30)),
        'claims to contain',
    ),
    'records of 3 GB twice': (
        lambda f: directory(f, 20, struct.pack('<II', 3 * 2**30, 3 * 2**30)),
        'claims to contain',
    ),
    'a record of 10 GB': (lambda f: claim(f, 10**10), r'claims to contain 1\d{10} bytes'),
    'a record many times': (
        one_record_many_times,
        r'claims to contain 1\d{8} bytes, but has 1\d{6}',
    ),
    'compressed zeros': (
        lambda f: rewritten(
            f,
            lambda name, data: bytes(2**26) if name == '0' else data,
            zipfile.ZIP_DEFLATED,
        ),
        'is compressed, which torch.save never does',
    ),
    'a second pickle': (lambda f: again(f, 'small/data.pkl'), "2 records named 'small/data.pkl'"),
    'a second pickle, in capitals': (
        lambda f: again(f, 'small/DATA.PKL'),
        "2 records named 'small/data.pkl'",
    ),
    'a second storage': (lambda f: again(f, 'small/data/0'), "2 records named 'small/data/0'"),
    'text as the pickle': (
        lambda f: rewritten(f, lambda name, data: b'he' if name == 'data.pkl' else data),
        'its content is damaged',
    ),
    'zeros': (lambda f: f.write_bytes(bytes(10**5)), 'it begins with zeros'),
    'cut in half': (lambda f: cut(f, 0.5), 'its end is missing'),
    'end cut off': (lambda f: cut(f, 0.98), 'its end is missing'),
    'changed byte of a weight': (
        lambda f: f.write_bytes(f.read_bytes().replace(struct.pack('<f', 5), b'\x01\x02\x03\x04')),
        "checksum of 'small/data/0' in it is wrong",
    ),
}


@pytest.mark.parametrize('kind', BROKEN)
def test_broken_files_are_refused(kind, small, limited):
    damage, reason = BROKEN[kind]
    load_file(small)
    damage(small)
    assert small.stat().st_size < 2**21
    with pytest.raises(CheckpointError, match=reason) as caught:
        load_file(small)
    sentence = str(caught.value)
    assert sentence.startswith(f'{small} ')
    assert sentence.endswith('; copy or download it again')
    assert '\n' not in sentence
    assert len(sentence) < 500


@pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'legacy'])
@pytest.mark.parametrize('size', [10, 100, 1000])
def test_a_checkpoint_of_any_truncation_is_refused(size, zipped, tmp_path):
    whole, part = tmp_path / 'whole.pth', tmp_path / 'part.pth'
    content = dict(state_dict=dict(weight=torch.arange(float(size))))
    torch.save(content, whole, _use_new_zipfile_serialization=zipped)
    data = whole.read_bytes()
    assert load_file(whole).keys() == content.keys()
    step = len(data) // 40 if zipped else 1
    for length in range(16, min(len(data), 1200), step):  # the legacy format begins with 15 bytes
        part.write_bytes(data[:length])
        with pytest.raises(CheckpointError) as caught:
            load_file(part)
        assert str(caught.value) == (
            f'{part} cannot be read as a checkpoint: its end is missing; copy or download it again'
        )


def test_what_mmengine_would_run_as_python_is_left_out(tmp_path):
    file = tmp_path / 'checkpoint.pth'
    torch.save(dict(meta=dict(config='raise SystemExit', epoch=3)), file)
    assert load_file(file) == dict(meta=dict(epoch=3))

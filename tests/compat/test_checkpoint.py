"""What the loader promises about one file; test_checkpoint_routes.py has those who call it."""

import io
import os
import random
import tarfile
import zipfile
from collections import Counter
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer

from mmseg_attn.compat.checkpoint import load_file
from mmseg_attn.compat.foreign_files import LEGACY
from mmseg_attn.errors import CheckpointError
from tests.hostile import Call, make_folder


@pytest.fixture
def genuine(tmp_path):
    """A file with what MMEngine writes; real ones are in test_checkpoint_routes.py."""
    content = dict(
        meta=dict(epoch=2, score=np.float32(0.5)),
        state_dict=torch.nn.Linear(3, 2).state_dict(),
        message_hub=dict(log_scalars=dict(loss=HistoryBuffer([1.0, 0.5], [1, 1]))),
    )
    torch.save(content, tmp_path / 'genuine.pth')
    return tmp_path / 'genuine.pth'


def rewritten(source: Path, target: Path, old: bytes, new: bytes, packing=zipfile.ZIP_STORED):
    with zipfile.ZipFile(source) as read, zipfile.ZipFile(target, 'w', packing) as write:
        for name in read.namelist():
            write.writestr(name, read.read(name).replace(old, new))
    return target


def test_legacy_format_and_open_files(genuine, tmp_path):
    legacy = tmp_path / 'legacy.pth'
    torch.save(load_file(genuine), legacy, _use_new_zipfile_serialization=False)
    for file in (str(legacy), io.BytesIO(genuine.read_bytes()), legacy.open('rb')):
        assert load_file(file)['meta']['epoch'] == 2


@pytest.mark.parametrize('new', [b'numpy.core.multiarray', b'numpy._core.multiarray'])
def test_both_spellings_of_numpy(genuine, tmp_path, new):
    old = b'numpy._core.multiarray' if np.__version__ >= '2' else b'numpy.core.multiarray'
    assert old in genuine.read_bytes()
    loaded = load_file(rewritten(genuine, tmp_path / 'checkpoint.pth', old, new))
    assert loaded['meta']['score'] == 0.5


def test_the_environment_cannot_switch_it_off(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    torch.save(make_folder(tmp_path / 'marker'), tmp_path / 'checkpoint.pth')
    with pytest.raises(CheckpointError):
        load_file(tmp_path / 'checkpoint.pth')
    assert not (tmp_path / 'marker').exists()


def test_the_environment_cannot_forbid_it(genuine, monkeypatch):
    monkeypatch.setenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    assert load_file(genuine)['meta']['epoch'] == 2
    assert os.environ['TORCH_FORCE_WEIGHTS_ONLY_LOAD'] == '1'


@pytest.mark.skipif(
    not hasattr(torch.serialization, 'add_safe_globals'), reason='PyTorch 2.4 brought the list'
)
def test_the_allow_list_of_others_neither_widens_nor_changes(genuine, tmp_path):
    """A plain ``getattr`` on torch's list is a widespread remedy for MMEngine's checkpoints."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.add_safe_globals([getattr, timedelta])
    try:
        within = torch.serialization.get_safe_globals()
        reach = type('Reach', (), dict(__reduce__=lambda self: (getattr, (timedelta, '__init__'))))
        for content in (timedelta(1), reach()):
            torch.save(content, tmp_path / 'checkpoint.pth')
            with pytest.raises(CheckpointError, match='was not loaded because it asks for'):
                load_file(tmp_path / 'checkpoint.pth')
        load_file(genuine)
        assert torch.serialization.get_safe_globals() == within
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


class Doubled(torch.nn.Module):
    def forward(self, x):
        return 2 * x


def test_torchscript_is_refused_before_it_runs(tmp_path, monkeypatch):
    """``torch.load`` would hand it to ``torch.jit.load``, which runs what it holds."""
    torch.jit.script(Doubled()).save(str(tmp_path / 'compressed.pth'))
    rewritten(tmp_path / 'compressed.pth', tmp_path / 'script.pth', b'', b'')
    monkeypatch.setattr(torch.jit, 'load', lambda *_, **__: pytest.fail('it was loaded'))
    with pytest.raises(CheckpointError, match='asks for TorchScript'):
        load_file(tmp_path / 'script.pth')


@pytest.mark.parametrize('member', ['storages', 'tensors', 'pickle'])
def test_tar_archives_are_refused_unpacked(tmp_path, member, monkeypatch):
    """PyTorch wrote these before 0.2; it unpacks what they hold, links and devices too."""
    file = tmp_path / 'old.pth'
    with tarfile.open(file, 'w') as archive:
        link = tarfile.TarInfo(member)
        link.type, link.linkname = tarfile.SYMTYPE, '/etc/hostname'
        archive.addfile(link)
    monkeypatch.setattr(tarfile.TarFile, 'extract', lambda *_, **__: pytest.fail('unpacked'))
    with pytest.raises(CheckpointError, match='it is a tar archive; extract the checkpoint'):
        load_file(file)


def test_a_legacy_file_that_is_a_tar_archive_too_is_refused(tmp_path):
    """PyTorch looks for the archive first."""
    file = tmp_path / 'old.pth'
    with tarfile.open(file, 'w', format=tarfile.USTAR_FORMAT, encoding='latin-1') as archive:
        archive.addfile(tarfile.TarInfo(LEGACY[2].decode('latin-1')))
    assert file.read_bytes().startswith(LEGACY[2])
    with pytest.raises(CheckpointError, match='it is a tar archive'):
        load_file(file)


CONTENTS = {
    'a parameter': torch.nn.Parameter(torch.ones(2)),
    'a buffer in half precision': torch.ones(2, dtype=torch.bfloat16),
    'a tensor with attributes': torch.nn.init.ones_(torch.empty(2)),
    'a size': torch.Size([1, 2]),
    'a device': torch.device('cpu'),
    'a type': torch.float16,
    'milestones': Counter([3, 3, 5]),
    'a set': {1, 2},
    'a complex number': 1j,
    'bytes': b'\x00\xff',
    'large numbers': [2**70, -(2**40), 1e300, float('inf'), None, True],
    'text': 'Membran, 膜',
}
CONTENTS['a tensor with attributes'].note = 'left out'


@pytest.mark.parametrize('protocol', range(2, 6))
@pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'legacy'])
@pytest.mark.parametrize('content', CONTENTS)
def test_plain_content_comes_back(content, zipped, protocol, tmp_path):
    file, value = tmp_path / 'checkpoint.pth', CONTENTS[content]
    torch.save([value], file, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    (back,) = load_file(file)
    assert type(back) is type(value)
    if isinstance(value, torch.Tensor):
        torch.testing.assert_close(back, value, rtol=0, atol=0)
        assert back.requires_grad == value.requires_grad
    else:
        assert back == value


@pytest.mark.parametrize(
    ('offset', 'size', 'stride'),
    [
        *((0, (8,), (1,)), (1, (7,), (1,)), (0, (2, 4), (4, 1)), (-1, (2,), (1,))),
        *((0, (2,), (-1,)), (0, (2**32, 2), (2**32, 1)), (2**63 - 1, (2,), (1,))),
    ],
)
def test_a_tensor_does_not_leave_its_storage(tmp_path, offset, size, stride):
    storage = torch.storage.TypedStorage([0.0] * 7, dtype=torch.float32, _internal=True)
    call = Call(torch._utils._rebuild_tensor_v2, storage, offset, size, stride, False, None)
    torch.save(call, tmp_path / 'checkpoint.pth')
    with pytest.raises(CheckpointError, match='is larger than its storage'):
        load_file(tmp_path / 'checkpoint.pth')


@pytest.mark.parametrize(
    'view', [lambda x: x.T, lambda x: x[1:], lambda x: x[:, :0], lambda x: x[0, 1]]
)
def test_views_come_back(tmp_path, view):
    whole = torch.arange(12.0).reshape(3, 4)
    torch.save([whole, view(whole)], tmp_path / 'checkpoint.pth')
    back = load_file(tmp_path / 'checkpoint.pth')
    torch.testing.assert_close(back, [whole, view(whole)], rtol=0, atol=0)
    assert back[0].untyped_storage().data_ptr() == back[1].untyped_storage().data_ptr()


def in_archive(file: Path, pickled: bytes) -> Path:
    with torch.serialization._open_zipfile_writer(str(file)) as archive:
        archive.write_record('data.pkl', pickled, len(pickled))
    return file


TENSOR = b'ctorch\nTensor\n'
PARAMETERS = b'ctorch._utils\n_rebuild_parameter\n'
ODDITIES = {
    'the state of a function': PARAMETERS + b'}b.',
    'the defaults of a function': PARAMETERS + b'N}X\x0c\x00\x00\x00__defaults__)s\x86b.',
    'the state of a class': TENSOR + b'}b.',
    'a call of a class that is only named': TENSOR + b')R.',
    'a new object of a class that is only named': TENSOR + b')\x81.',
    'a large storage by itself': b'ctorch.storage\nUntypedStorage\nJ\xff\xff\xff\x7f\x85R.',
    'items of a class': TENSOR + b'(K\x01K\x02u.',
    'an extension': b'\x82\x01.',
    'an old instance': b'(iposix\nsystem\n.',
    'a module outside the pickle': b'(X\x06\x00\x00\x00moduleK\x01K\x02K\x03tQ.',
    'text outside the pickle': b'Pname\n.',
    'gigabytes of zeros': b'\x96' + (2**40).to_bytes(8, 'little') + b'.',
}


@pytest.mark.parametrize('oddity', ODDITIES)
def test_what_no_data_needs_is_refused(oddity, tmp_path):
    defaults = torch._utils._rebuild_parameter.__defaults__
    with pytest.raises(CheckpointError):
        load_file(in_archive(tmp_path / 'checkpoint.pth', b'\x80\x02' + ODDITIES[oddity]))
    assert torch._utils._rebuild_parameter.__defaults__ == defaults


def test_missing_files_are_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_file(tmp_path / 'checkpoint.pth')
    with pytest.raises(IsADirectoryError):
        load_file(tmp_path)


def test_nothing_unpacks_to_more_than_it_is(tmp_path):
    file = tmp_path / 'small.pth'
    torch.save(dict(weight=torch.zeros(2**20)), tmp_path / 'large.pth')
    rewritten(tmp_path / 'large.pth', file, b'', b'', zipfile.ZIP_DEFLATED)
    assert file.stat().st_size < 2**16
    with pytest.raises(CheckpointError, match='compressed'):
        load_file(file)


@pytest.mark.parametrize('zipped', [True, False])
def test_a_storage_is_not_larger_than_the_file_says(tmp_path, zipped):
    torch.save(torch.zeros(7), tmp_path / 'file.pth', _use_new_zipfile_serialization=zipped)
    claim, small = b'J' + (2 * 10**9).to_bytes(4, 'little'), b'K\x07'  # elements of the storage
    if zipped:
        rewritten(tmp_path / 'file.pth', tmp_path / 'claim.pth', small, claim)
    else:
        data = (tmp_path / 'file.pth').read_bytes()
        (tmp_path / 'claim.pth').write_bytes(data.replace(small, claim))
    with pytest.raises(CheckpointError, match='cannot be read as a checkpoint'):
        load_file(tmp_path / 'claim.pth')


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
def test_mutated_files_load_or_are_refused(genuine, tmp_path):
    """Any other exception is an error of this test."""
    file, rng, refused = tmp_path / 'file.pth', random.Random(0), 0
    torch.save(load_file(genuine), tmp_path / 'old.pth', _use_new_zipfile_serialization=False)
    for data in (genuine.read_bytes(), (tmp_path / 'old.pth').read_bytes()):
        for _ in range(100):
            mutated = bytearray(data)
            for _ in range(rng.choice((1, 5, 50))):
                mutated[rng.randrange(len(mutated))] = rng.randrange(256)
            file.write_bytes(mutated)
            try:
                load_file(file)
            except CheckpointError:
                refused += 1
    assert refused > 20


def test_metainfo_with_a_nested_dictionary_comes_back(tmp_path):
    source = ConfigDict(name='x', year=dict(first=1990))
    torch.save(dict(meta=dict(dataset_meta=dict(source=source))), tmp_path / 'checkpoint.pth')
    back = load_file(tmp_path / 'checkpoint.pth')
    assert back['meta']['dataset_meta']['source'] == dict(name='x', year=dict(first=1990))

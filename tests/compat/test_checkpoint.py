"""What the loader promises about one file; test_checkpoint_routes.py has those who call it."""

import io
import pickle
import random
import zipfile
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from mmseg_attn.compat import checkpoint
from mmseg_attn.compat.checkpoint import CheckpointError, load_file
from tests.hostile import make_folder


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


@contextmanager
def allowed_elsewhere(*entries):
    before = torch.serialization.get_safe_globals()
    torch.serialization.add_safe_globals(list(entries))
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


def test_the_allow_list_of_others_neither_widens_nor_changes(genuine, tmp_path):
    """A plain ``getattr`` on torch's list is a widespread remedy for MMEngine's checkpoints."""
    file = tmp_path / 'checkpoint.pth'
    torch.save(dict(state=timedelta(1)), file)
    with allowed_elsewhere(getattr, timedelta):
        before = set(torch.serialization.get_safe_globals())
        with checkpoint._allow_list():
            within = set(torch.serialization.get_safe_globals())
        assert timedelta in within
        assert getattr not in within
        assert load_file(file)['state'] == timedelta(1)  # added by the user on purpose
        reach = type('Reach', (), dict(__reduce__=lambda self: (getattr, (timedelta, '__init__'))))
        torch.save(reach(), file)
        with pytest.raises(CheckpointError, match='getattr'):
            load_file(file)
        load_file(genuine)
        assert set(torch.serialization.get_safe_globals()) == before
    with pytest.raises(pickle.UnpicklingError):
        torch.load(genuine, weights_only=True)


@pytest.mark.skipif(torch.__version__ < '2.6', reason='only PyTorch 2.6 and newer allow it')
def test_what_torch_allows_of_itself_does_not_change(genuine, tmp_path):
    load_file(genuine)
    torch.save(bytearray(b'ab'), tmp_path / 'checkpoint.pth')
    assert torch.load(tmp_path / 'checkpoint.pth', weights_only=True) == bytearray(b'ab')


def test_without_an_allow_list_only_plain_state_dicts_load(genuine, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, 'HAS_ALLOW_LIST', False)
    with pytest.raises(CheckpointError, match=r'install torch 2\.4 or newer, or resave it'):
        load_file(genuine)
    torch.save(dict(state_dict=torch.nn.Linear(3, 2).state_dict()), tmp_path / 'plain.pth')
    assert load_file(tmp_path / 'plain.pth')['state_dict']


DAMAGED = {
    'empty': lambda data: b'',
    'text': lambda data: b'<html>not found</html>',
    'zeros': lambda data: bytes(5000),
    'truncated': lambda data: data[: len(data) // 2],
    'last byte missing': lambda data: data[:-1],
    'only the magic': lambda data: data[:4],
    'a plain pickle': lambda data: pickle.dumps(dict(a=1)),
    'nested tuples': lambda data: b'\x80\x02)' + b'\x85' * 100_000 + b'.',
}


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
@pytest.mark.parametrize('damage', DAMAGED)
def test_damaged_files_are_named_in_one_sentence(genuine, tmp_path, damage):
    file = tmp_path / 'checkpoint.pth'
    file.write_bytes(DAMAGED[damage](genuine.read_bytes()))
    with pytest.raises(CheckpointError) as caught:
        load_file(file)
    sentence = str(caught.value)
    assert sentence.startswith(f'{file} cannot be read as a checkpoint: ')
    assert sentence.endswith('if it is damaged or incomplete, copy or download it again')
    assert sentence.isprintable()
    assert 'weights_only` set to `False' not in sentence


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

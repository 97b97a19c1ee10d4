"""Weights as safetensors, in the form of MMEngine's checkpoints."""

import json
import struct

import pytest
import torch
from mmengine.runner.checkpoint import CheckpointLoader

from mmseg_attn.compat.checkpoint import load_file
from mmseg_attn.compat.safetensors import load_from_safetensors, save_safetensors
from mmseg_attn.errors import CheckpointError
from tests.libraries import needs_safetensors

pytestmark = needs_safetensors


@pytest.fixture
def file(tmp_path):
    """A shared tensor, one that is not contiguous, and a counter."""
    shared = torch.arange(6.0).reshape(2, 3)
    weights = dict(a=shared, b=shared, c=shared.T, d=torch.tensor(7))
    save_safetensors(weights, tmp_path / 'x.safetensors', dict(dataset_meta=dict(classes=['ä'])))
    return tmp_path / 'x.safetensors'


@pytest.mark.parametrize('load', [load_file, load_from_safetensors])
def test_weights_and_meta_come_back(file, load):
    content = load(file, 'cpu')
    expected = torch.tensor([[0.0, 1, 2], [3, 4, 5]])
    assert content['state_dict'].keys() == {*'abcd'}
    assert content['meta'] == dict(dataset_meta=dict(classes=['ä']))
    torch.testing.assert_close(content['state_dict']['b'], expected, rtol=0, atol=0)
    torch.testing.assert_close(content['state_dict']['c'], expected.T, rtol=0, atol=0)
    assert content['state_dict']['d'] == 7


def test_the_file_has_the_published_layout(file):
    """8 bytes with the length of a JSON header, the header, and the values."""
    data = file.read_bytes()
    (length,) = struct.unpack('<Q', data[:8])
    header = json.loads(data[8 : 8 + length])
    begin, end = header['a']['data_offsets']
    values = data[8 + length :][begin:end]
    assert (header['a']['dtype'], header['a']['shape']) == ('F32', [2, 3])
    assert struct.unpack('<6f', values) == (0, 1, 2, 3, 4, 5)


def test_the_loader_of_the_host_takes_the_prefix(file):
    content = CheckpointLoader.load_checkpoint(f'safetensors:{file}', 'cpu')
    assert content['state_dict']['d'] == 7


@pytest.mark.parametrize('length', [4, 20, -1])
def test_a_damaged_file(file, length):
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(CheckpointError, match=r'x\.safetensors cannot be read as a checkpoint'):
        load_file(file)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_file(tmp_path / 'no.safetensors')

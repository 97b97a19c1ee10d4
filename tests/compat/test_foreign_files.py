"""Files that are no checkpoints are refused with what they are, before anything unpickles them."""

import gzip
import io
import json
import pickle
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from mmseg_attn.compat import checkpoint
from mmseg_attn.compat.foreign_files import LEGACY, LENGTH
from mmseg_attn.errors import CheckpointError

POINTER = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n'
PATH = 'correct the path'
DOWNLOAD = f'{PATH}, or download the checkpoint again'
PAGE = f'it is an HTML page; download the checkpoint again, or {PATH}'
TEXT = f'it is a text file; {DOWNLOAD}'
AGAIN = 'copy or download it again'


def written(write, content) -> bytes:
    file = io.BytesIO()
    write(file, content)
    return file.getvalue()


def zipped(names: list[str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w') as archive:
        for name in names:
            archive.writestr(name, b'123')
    return file.getvalue()


def safetensors() -> bytes:
    """One tensor of six zeros; the header is JSON, after its length in 8 bytes."""
    header = json.dumps(dict(weight=dict(dtype='F32', shape=[6], data_offsets=[0, 24]))).encode()
    return len(header).to_bytes(8, 'little') + header + bytes(24)


FILES = {
    'empty': (b'', f'it is empty; {AGAIN}'),
    'text': (b'epoch 3, loss 0.2\n' * 9, TEXT),
    'text of one word': (b'hi', TEXT),  # "Memo value not found at index 105"
    'text with other letters': ('Größe: 3 µm\n'.encode() * 999, TEXT),
    'a config': (b'\xef\xbb\xbfmodel = dict(\n    type="EncoderDecoder")\n', TEXT),
    'JSON': (b'{"message": "Not Found"}', TEXT),
    'HTML': (b'<!DOCTYPE html>\n<html><title>404</title></html>', PAGE),
    'HTML after a line': (b'\n  <HTML>Not Found</HTML>', PAGE),
    'XML': (b'<?xml version="1.0"?><Error>Denied</Error>', f'it is in the format XML; {PATH}'),
    'Git LFS': (POINTER.encode(), "it is a Git LFS pointer; run 'git lfs pull' in its repository"),
    'PNG': (
        written(lambda file, image: image.save(file, 'PNG'), Image.new('L', (8, 8))),
        f'it is in the format PNG; {PATH}',
    ),
    'NumPy': (written(np.save, np.ones(3)), f'it is in the format NumPy; {PATH}'),
    'gzip': (gzip.compress(written(lambda f, c: torch.save(c, f), {})), 'gzip; decompress it'),
    'safetensors': (safetensors(), 'it is a safetensors file; convert it with torch.save({'),
    'a pickle': (pickle.dumps(dict(a=1)), 'a pickle that torch.save did not write; save it again'),
    'zip of NumPy': (
        zipped(['a.npy', 'b.npy']),
        "it is a zip archive with 'a.npy' in it; extract the checkpoint if it is in there, or "
        f'{PATH}',
    ),
    'zip of nothing': (zipped([]), 'it was not written by torch.save; '),
    'zip that ends': (zipped(['data.pkl'])[:-1], f'its end is missing; {AGAIN}'),
    'zip that ends at once': (b'PK\x03', f'its end is missing; {AGAIN}'),
    'zeros': (bytes(5000), f'it begins with zeros; {AGAIN}'),
    'other bytes': (bytes(range(1, 256)), f'it was not written by torch.save; {PATH}, or {AGAIN}'),
    'nested tuples': (b'\x80\x02)' + b'\x85' * 10**5 + b'.', 'a pickle that torch.save did not'),
}


@pytest.mark.parametrize('kind', FILES)
def test_the_sentence_says_what_it_is(kind, tmp_path, monkeypatch):
    data, sentence = FILES[kind]
    monkeypatch.setattr(torch, 'load', lambda *_, **__: pytest.fail('PyTorch reads it'))
    path = tmp_path / 'a.pth'
    path.write_bytes(data)
    for name, file in [(path, path), (path, str(path)), ('the checkpoint', io.BytesIO(data))]:
        with pytest.raises(CheckpointError) as caught:
            checkpoint.load_file(file)
        text = str(caught.value)
        assert text.startswith(f'{name} cannot be read as a checkpoint: ')
        assert sentence in text
        assert text.isprintable()


def test_text_may_be_cut_within_a_letter(tmp_path):
    (tmp_path / 'a.pth').write_bytes(b'a' * (LENGTH - 1) + 'ü'.encode())
    with pytest.raises(CheckpointError, match='it is a text file'):
        checkpoint.load_file(tmp_path / 'a.pth')


@pytest.mark.parametrize('protocol', range(6))
def test_the_legacy_format_of_every_protocol(protocol, tmp_path):
    file = tmp_path / 'a.pth'
    torch.save([1], file, pickle_protocol=protocol, _use_new_zipfile_serialization=False)
    assert file.read_bytes().startswith(LEGACY[protocol])


def test_a_checkpoint_of_a_gpu_says_how_to_load_it(tmp_path, monkeypatch):
    """PyTorch's own reason; all other reasons are ours."""
    file = tmp_path / 'a.pth'
    torch.save(dict(weight=torch.ones(2)), file, _use_new_zipfile_serialization=False)
    at_cpu, at_gpu = b'X\x03\x00\x00\x00cpu', b'X\x04\x00\x00\x00cuda'
    assert at_cpu in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(at_cpu, at_gpu))
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert checkpoint.load_file(file, 'cpu').keys() == {'weight'}
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load_file(file)
    assert 'a CUDA device' in str(caught.value)
    assert str(caught.value).endswith("; load it with map_location='cpu'")

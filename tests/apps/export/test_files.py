import json
import math

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.registry import MODELS
from torch import nn

from mmseg_attn.apps.export import PixelsToLogits, files, write
from mmseg_attn.errors import ExportError

needs_onnx = pytest.mark.skipif(
    not all(map(files.find_spec, ('onnx', 'onnxscript', 'onnxruntime'))),
    reason='needs the extra onnx',
)
FORMATS = [pytest.param('onnx', marks=needs_onnx), 'torch']
DESCRIPTION = dict(classes='["a", "ü"]', input='image')


@pytest.fixture
def module():
    cfg = ConfigDict(
        type='EncoderDecoder',
        data_preprocessor=dict(type='SegDataPreProcessor', mean=[128.0], std=[60.0]),
        backbone=dict(type='UNetEncoder', in_channels=1, channels=[2, 4]),
        decode_head=dict(type='UNetHead', in_channels=[2, 4], num_classes=3),
        test_cfg=dict(mode='whole'),
    )
    return PixelsToLogits(MODELS.build(cfg), in_channels=1, color_type='grayscale')


@needs_onnx
def test_an_onnx_file_is_complete(module, tmp_path, root):
    import onnx

    path = tmp_path / 'new' / 'model.onnx'
    said = []
    check = write(module, path, kind='onnx', description=DESCRIPTION, say=said.append)
    assert check.difference < 1e-6
    assert said == ['tracing the model', 'writing the file', 'comparing the file with the model']
    assert [each.name for each in path.parent.iterdir()] == ['model.onnx']  # no second file
    content = onnx.load(path)
    onnx.checker.check_model(content, full_check=True)
    assert {each.key: each.value for each in content.metadata_props} == DESCRIPTION
    dims = [
        [dim.dim_param or dim.dim_value for dim in each.type.tensor_type.shape.dim]
        for each in (*content.graph.input, *content.graph.output)
    ]
    assert dims == [['batch', 1, 'height', 'width'], ['batch', 3, 'height', 'width']]
    written = path.read_bytes()
    assert str(root).encode() not in written
    assert b'site-packages' not in written


def test_a_torch_program_is_complete(module, tmp_path):
    path = tmp_path / 'model.pt2'
    check = write(module, path, kind='torch', description=DESCRIPTION)
    assert check.difference < 1e-6
    extra = {files.DESCRIPTION: ''}
    program = torch.export.load(path, extra_files=extra)
    assert json.loads(extra[files.DESCRIPTION]) == DESCRIPTION
    image = 255 * torch.rand(3, 1, 45, 67)
    with torch.no_grad():
        torch.testing.assert_close(program.module()(image), module(image))
    assert [each.name for each in tmp_path.iterdir()] == ['model.pt2']


@needs_onnx
def test_without_onnxruntime_the_file_is_written_and_not_compared(module, tmp_path, monkeypatch):
    find = files.find_spec
    monkeypatch.setattr(files, 'find_spec', lambda name: None if 'runtime' in name else find(name))
    path = tmp_path / 'model.onnx'
    assert write(module, path, kind='onnx', description={}) is None
    assert path.stat().st_size > 1000


def test_missing_packages_are_named_before_any_work(module, tmp_path, monkeypatch):
    monkeypatch.setattr(files, 'find_spec', lambda name: None)
    with pytest.raises(ExportError, match='pip install onnx onnxscript onnxruntime'):
        write(module, tmp_path / 'model.onnx', kind='onnx', description={})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('kind', FORMATS)
def test_a_wrong_file_is_not_kept_and_the_one_before_is(kind, module, tmp_path, monkeypatch):
    path = tmp_path / 'model'
    path.write_text('before')
    monkeypatch.setattr(
        files, f'load_{kind}', lambda path: lambda image: np.full((1, 3, 1, 1), math.nan)
    )
    with pytest.raises(ExportError, match='differs from the model'):
        write(module, path, kind=kind, description={})
    assert path.read_text() == 'before'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('kind', FORMATS)
def test_a_file_that_does_not_run_is_one_sentence(kind, module, tmp_path, monkeypatch):
    def refuse(image):
        raise RuntimeError('Mod(s73, 7) is 0\nand more')

    monkeypatch.setattr(files, f'load_{kind}', lambda path: refuse)
    with pytest.raises(ExportError, match=r'does not run \(Mod\(s73, 7\) is 0\): try'):
        write(module, tmp_path / 'model', kind=kind, description={})
    assert list(tmp_path.iterdir()) == []


@needs_onnx
def test_weights_beyond_the_size_of_an_onnx_file(module, tmp_path, monkeypatch):
    monkeypatch.setattr(files, 'LARGEST', 1000)
    with pytest.raises(ExportError, match='at most 2 GiB: export it with --format torch'):
        write(module, tmp_path / 'model.onnx', kind='onnx', description={})
    assert list(tmp_path.iterdir()) == []


@needs_onnx
def test_an_operator_that_onnx_lacks_is_one_sentence(module, tmp_path):
    module.model.decode_head.dropout = nn.FractionalMaxPool2d(2, output_size=(8, 8))
    path = tmp_path / 'model.onnx'
    with pytest.raises(
        ExportError, match=r'to ONNX \(.* no ONNX counterpart of aten\.frac'
    ) as caught:
        write(module, path, kind='onnx', description={})
    assert '\n' not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_file(module, tmp_path):
    with pytest.raises(ExportError, match='is a folder: name a file'):
        write(module, tmp_path, kind='torch', description={})

"""Prediction as a user asks for it."""

import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from PIL import Image

from mmseg_attn.errors import MMSegAttnError
from tools import predict

CONFIG = 'configs/lfa_unet/lfa-unet-b16_1xb4-600i_drosophila-128x128.py'


@pytest.fixture
def place(root, tmp_path, monkeypatch):
    """A folder with one image, weights that find synapses everywhere, and an empty folder."""
    config = root / CONFIG
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8)
    Image.fromarray(noise).save('a.png')
    model = MODELS.build(Config.fromfile(config).model)
    for values in model.decode_head.conv_seg.parameters():
        torch.nn.init.zeros_(values)
    model.decode_head.conv_seg.bias.data[2] = 1
    torch.save(model.state_dict(), 'x.pth')
    return str(config)


def run(*words: str) -> object:
    """The exit code."""
    with pytest.raises(SystemExit) as end:
        predict.main([*words, '--out', 'out', '--device', 'cpu'])
    return end.value.code


def test_a_suspicious_result_is_told_at_the_end(place, tmp_path, capsys):
    assert run(place, 'x.pth', 'a.png', '--intensity', '0', '1000') == 0
    out, err = capsys.readouterr()
    assert out.startswith('out: masks, overlays and pixels.csv of 1 file\n')
    first, second = err.splitlines()[-2:]
    assert first.startswith('warning: --intensity changed nothing in 1 file')
    assert second.startswith('warning: 100.0% of all pixels are synapse')
    kept = json.loads((tmp_path / 'out/conversion.json').read_text())['warnings']
    assert [f'warning: {sentence}' for sentence in kept] == [first, second]


def test_what_is_skipped_is_counted(place, tmp_path, capsys):
    (tmp_path / 'b.png').write_text('no image')
    assert run(place, 'x.pth', 'a.png', 'b.png') == 1
    out, err = capsys.readouterr()
    assert '\n1 of 2 files skipped: see the reasons above or in out/conversion.json\n' in out
    assert 'skipped: b.png is truncated or damaged' in err


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['no.py', 'x.pth', 'a.png'], r'no\.py is missing: name a config file'),
        (['{config}', 'no.pth', 'a.png'], r'no\.pth is missing: name a checkpoint'),
        (['{config}', 'x.pth', 'a.png', 'no.png'], r'no\.png is missing: name existing files'),
        (['{config}', 'x.pth', 'b.png', 'c.png'], r'b\.png and 1 more are missing: name'),
        (['{config}', 'x.pth', 'empty'], 'the inputs contain no images'),
        (['{config}', 'x.pth', 'empty', '--out', 'empty'], 'empty is in the output folder empty'),
        (['{config}', 'x.pth', 'a.png', '--out', '.'], r'a\.png is in the output folder \.: cho'),
        (['{config}', 'x.pth', 'a.png', '--intensity', '9', '3'], '--intensity is 9 3: choose LOW'),
        (['{config}', 'x.pth', 'a.png', '--intensity', '0', 'nan'], '--intensity is 0 nan'),
        (['{config}', 'x.pth', 'a.png', '--intensity', '0', 'inf'], '--intensity is 0 inf'),
        (['{config}', 'x.pth', 'a.png', '--percentiles', '1', '101'], 'both from 0 to 100'),
    ],
    ids=lambda value: ' '.join(value) if isinstance(value, list) else '',
)
def test_mistakes_are_told_before_the_model_is_loaded(place, words, message, tmp_path, monkeypatch):
    monkeypatch.delattr(predict, 'Predictor')
    with pytest.raises(MMSegAttnError, match=message):
        predict.main(['--out', 'out', *(word.format(config=place) for word in words)])
    assert not (tmp_path / 'out').exists()


def test_every_argument_is_explained(capsys):
    with pytest.raises(SystemExit):
        predict.parse_args(['--help'])
    described = capsys.readouterr().out
    for argument in ('config  ', 'checkpoint  ', 'input  '):
        assert f'\n  {argument}' in described

"""Figures of the attention, as a user asks for them."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from PIL import Image

from mmseg_attn.errors import DataError, MMSegAttnError, UsageError
from tools.analysis_tools import show_attention

LFA = 'configs/lfa_unet/lfa-unet-b16_1xb4-600i_drosophila-128x128.py'
UNET = 'configs/unet/unet-b16_1xb4-600i_drosophila-128x128.py'


@pytest.fixture
def run(root, tmp_path, monkeypatch):
    """Run the tool on an image of 64 x 48 pixels."""
    monkeypatch.chdir(root)
    noise_file = tmp_path / 'noise.png'
    noise = np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8)
    Image.fromarray(noise).save(noise_file)

    def run(*arguments, config=LFA, image=noise_file):
        checkpoint = tmp_path / 'weights.pth'
        torch.manual_seed(0)
        torch.save(MODELS.build(Config.fromfile(config).model).state_dict(), checkpoint)
        show_attention.main([config, str(checkpoint), str(image), *arguments])

    return run


def test_a_figure_of_two_points(run, tmp_path, capsys):
    out = tmp_path / 'new' / 'x.png'
    run('--point', '5', '40', '--point', '63', '47', '--out', str(out))
    with Image.open(out) as image:
        image.load()
        assert min(image.size) > 500
    assert 'decode_head.fusions.0 (LocalFeatureAggregation)' in capsys.readouterr().out


def test_the_default_is_the_middle(run, tmp_path):
    for name, point in (('a.png', ()), ('b.png', ('--point', '32', '24'))):
        run(*point, '--out', str(tmp_path / name))
    assert (tmp_path / 'a.png').read_bytes() == (tmp_path / 'b.png').read_bytes()


def test_one_slice_of_several(run, tmp_path):
    stack = tmp_path / 'stack.tif'
    slices = [Image.new('L', (32, 32), value) for value in (10, 20)]
    slices[0].save(stack, save_all=True, append_images=slices[1:])
    out = ['--out', str(tmp_path / 'x.png')]
    with pytest.raises(DataError, match='2 slices: choose one with --slice'):
        run(*out, image=stack)
    with pytest.raises(DataError, match='choose --slice from 0 to 1'):
        run(*out, '--slice', '2', image=stack)
    run(*out, '--slice', '1', image=stack)


@pytest.mark.parametrize(
    ('arguments', 'options', 'message'),
    [
        (['--point', '64', '0'], {}, 'outside the image, which has 64 x 48 pixels'),
        (['--point', '0', '-1'], {}, 'outside the image'),
        (['--out', 'x.jpg'], {}, r'x\.jpg is not a name that ends in \.png: choose one'),
        ([], dict(config=UNET), 'has no attention to draw'),
        ([], dict(image='nothing.png'), r'nothing\.png'),
    ],
    ids=['right', 'above', 'no png', 'no attention', 'no file'],
)
def test_mistakes_are_one_sentence_and_write_nothing(run, tmp_path, arguments, options, message):
    out = tmp_path / 'x.png'
    with pytest.raises((MMSegAttnError, OSError), match=message):
        run('--out', str(out), *arguments, **options)
    assert not out.exists()


def test_the_image_is_not_overwritten(run, tmp_path):
    image = tmp_path / 'noise.png'
    before = image.read_bytes()
    with pytest.raises(UsageError, match=r'noise\.png is an input of the tool: choose'):
        run('--out', str(tmp_path / 'new' / '..' / 'noise.png'))
    assert image.read_bytes() == before

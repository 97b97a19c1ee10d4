"""Where the pictures of a test go."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.registry import HOOKS, VISUALIZERS
from mmseg.structures import SegDataSample
from PIL import Image


@pytest.fixture
def draw(tmp_path):
    """Hand two samples of a test to the hook; return the pictures that there are then."""
    (tmp_path / 'in').mkdir()
    samples = []
    for name in ('a.tif', 'b.png'):
        Image.fromarray(np.full((8, 8), 100, np.uint8)).save(tmp_path / 'in' / name)
        sample = SegDataSample(metainfo=dict(img_path=str(tmp_path / 'in' / name)))
        sample.pred_sem_seg = PixelData(data=torch.zeros(1, 8, 8, dtype=torch.long))
        samples.append(sample)

    def draw(save_dir: str | None, **settings) -> set[str]:
        visualizer = dict(
            type='SegComparisonVisualizer',
            name=str(tmp_path),  # instances are kept by name
            vis_backends=[dict(type='LocalVisBackend')],
            save_dir=save_dir or str(tmp_path / 'log'),
        )
        VISUALIZERS.build(visualizer).dataset_meta = dict(classes=['cell'], palette=[[255, 0, 0]])
        hook = HOOKS.build(dict(type='SegPictureHook', interval=1, **settings))
        config = dict(save_dir=save_dir) if save_dir else {}
        runner = SimpleNamespace(cfg=Config(dict(visualizer=config)), iter=0)
        hook.after_test_iter(runner, 0, None, samples)
        files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob('*.png')}
        return files - {'in/b.png'}

    return draw


def test_the_named_folder_holds_the_pictures_by_the_names_of_the_images(draw, tmp_path):
    assert draw(str(tmp_path / 'show'), draw=True) == {'show/a.png', 'show/b.png'}
    with Image.open(tmp_path / 'show/a.png') as picture:
        assert (100, 100, 100) in {colour for _, colour in picture.getcolors(2**20)}


def test_without_a_folder_the_backends_get_them(draw):
    folder = 'log/vis_data/vis_image'
    assert draw(None, draw=True) == {f'{folder}/test_a.tif_0.png', f'{folder}/test_b.png_0.png'}


def test_nothing_is_drawn_unless_asked_for_and_nobody_is_warned(draw, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert draw(str(tmp_path / 'show')) == set()


@pytest.mark.parametrize('bands', [2, 4, 5])
@pytest.mark.parametrize('mode', ['val', 'test'])
def test_images_of_any_number_of_bands(bands, mode, tmp_path):
    """MMSegmentation's hook stops at them."""
    tifffile = pytest.importorskip('tifffile')
    pixels = np.zeros((8, 8, bands), np.uint16)
    pixels[:4, :, 0] = 1000
    path = tmp_path / 'a.tif'
    tifffile.imwrite(path, pixels, photometric='minisblack', planarconfig='contig')
    sample = SegDataSample(metainfo=dict(img_path=str(path)))
    sample.pred_sem_seg = PixelData(data=torch.full((1, 8, 8), 9))  # no class, no color
    visualizer = dict(
        type='SegComparisonVisualizer',
        name=f'{tmp_path}',
        vis_backends=[dict(type='LocalVisBackend')],
        save_dir=str(tmp_path / 'log'),
    )
    VISUALIZERS.build(visualizer).dataset_meta = dict(classes=['cell'], palette=[[0, 255, 0]])
    hook = HOOKS.build(dict(type='SegPictureHook', interval=1, draw=True))
    runner = SimpleNamespace(cfg=Config(dict(visualizer={})), iter=3)
    getattr(hook, f'after_{mode}_iter')(runner, 0, None, [sample])
    with Image.open(tmp_path / f'log/vis_data/vis_image/{mode}_a.tif_3.png') as picture:
        colors = {color for _, color in picture.getcolors(2**20)}
    assert ((255, 255, 255) if bands == 2 else (255, 0, 0)) in colors

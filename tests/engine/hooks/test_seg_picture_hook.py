"""Where the drawings of a test go."""

import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import EpochBasedTrainLoop
from mmengine.structures import PixelData
from mmseg.registry import HOOKS, VISUALIZERS
from mmseg.structures import SegDataSample
from PIL import Image

from mmseg_attn.engine.hooks.seg_picture_hook import _image_folders, _relative


@pytest.fixture
def draw(tmp_path):
    """Hand two samples of a test to the hook; return the drawings that exist then."""

    def make(name: str) -> SegDataSample:
        path = tmp_path / 'in' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 100, np.uint8)).save(path)
        sample = SegDataSample(metainfo=dict(img_path=str(path)))
        sample.pred_sem_seg = PixelData(data=torch.zeros(1, 8, 8, dtype=torch.long))
        return sample

    def draw(save_dir: str | None, names=('a.tif', 'b.png'), **settings) -> set[str]:
        samples = list(map(make, names))
        visualizer = dict(
            type='SegComparisonVisualizer',
            name=str(tmp_path),  # instances are kept by name
            vis_backends=[dict(type='LocalVisBackend')],
            save_dir=save_dir or str(tmp_path / 'log'),
        )
        metainfo = dict(classes=['cell'], palette=[[255, 0, 0]])
        VISUALIZERS.build(visualizer).dataset_meta = metainfo
        hook = HOOKS.build(dict(type='SegPictureHook', interval=1, **settings))
        config = dict(save_dir=save_dir) if save_dir else {}
        dataset = SimpleNamespace(
            data_prefix=dict(img_path=str(tmp_path / 'in')), metainfo=metainfo
        )
        runner = SimpleNamespace(
            cfg=Config(dict(visualizer=config)),
            _train_loop=dict(type='EpochBasedTrainLoop'),  # a config that nobody must build
            test_dataloader=SimpleNamespace(dataset=dataset),
        )
        hook.after_test_iter(runner, 0, None, samples)
        files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob('*.png')}
        return {name for name in files if not name.startswith('in/')}

    return draw


def test_the_named_folder_contains_the_drawings_by_the_names_of_the_images(draw, tmp_path):
    assert draw(str(tmp_path / 'show'), draw=True) == {'show/a.png', 'show/b.png'}
    with Image.open(tmp_path / 'show/a.png') as drawing:
        assert (100, 100, 100) in {color for _, color in drawing.getcolors(2**20)}


def test_images_of_one_name_in_two_folders_are_both_drawn(draw, tmp_path):
    show = draw(str(tmp_path / 'show'), draw=True, names=['a.png', 'one/a.png', 'two/three/a.tif'])
    assert show == {'show/a.png', 'show/one/a.png', 'show/two/three/a.png'}


@pytest.mark.parametrize(
    ('image', 'folders', 'expected'),
    [
        ('data/images/a.jpg', ['data/images'], 'a.jpg'),
        ('data/images/b/a.jpg', ['data/masks', 'data/images'], 'b/a.jpg'),
        ('data/images2/b/a.jpg', ['data/images'], 'a.jpg'),
        ('data/images/../../a.jpg', ['data/images'], 'a.jpg'),
        ('/elsewhere/a.jpg', [], 'a.jpg'),
    ],
)
def test_the_path_below_the_folder_of_images(image, folders, expected):
    assert _relative(image, list(map(Path, folders))) == Path(expected)


def test_datasets_in_datasets_have_folders_of_images_too():
    parts = [SimpleNamespace(data_prefix=dict(img_path=name)) for name in ('one', 'two', '')]
    dataset = SimpleNamespace(datasets=[*parts, SimpleNamespace()])
    assert _image_folders(dataset) == [Path('one'), Path('two')]


def test_without_a_folder_the_backends_get_them(draw):
    folder = 'log/vis_data/vis_image'
    drawn = {name.rpartition('_')[0] for name in draw(None, draw=True)}  # the end is the step
    assert drawn == {f'{folder}/test_a.tif', f'{folder}/test_b.png'}


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
    loop = EpochBasedTrainLoop.__new__(EpochBasedTrainLoop)
    loop._iter = 3
    runner = SimpleNamespace(cfg=Config(dict(visualizer={})), _train_loop=loop)
    getattr(hook, f'after_{mode}_iter')(runner, 0, None, [sample])
    with Image.open(tmp_path / f'log/vis_data/vis_image/{mode}_a.tif_3.png') as drawing:
        colors = {color for _, color in drawing.getcolors(2**20)}
    assert ((255, 255, 255) if bands == 2 else (255, 0, 0)) in colors

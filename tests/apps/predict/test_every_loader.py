"""Every way to load an image gives one mask, whoever loads it: test.py, predict.py, an inferencer.

For each loader of a config, and files of one to five channels of 8 and 16 bits and of floats, the
mask of the config's own dataset, as ``test.py`` makes it, is that of ``predict.py`` and of
``MMSegInferencer``, or predict.py refuses the file in one sentence.
"""

import itertools

import numpy as np
import pytest
import torch
from mmcv import imfrombytes
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmseg.apis import MMSegInferencer, init_model
from mmseg.registry import DATASETS

from mmseg_attn.apps.predict import Intensities, Predictor, load_file
from mmseg_attn.errors import DataError

tifffile = pytest.importorskip('tifffile', reason='needs tifffile: install mmseg_attn[medical]')

SCALE = dict(u1=1, u2=257, f4=1 / 255)
CHANNELS = range(1, 6)
# By loader and sample format, for 1 to 5 channels: s the same mask, r refused, o our own reader,
# where the loader cannot read the file at all. Files of two and
# five bands are no colors, so that loaders for colors would leave some of their bands out; of more
# than 8 bits 'color' and 'grayscale' keep the high ones; OpenCV and Pillow do not read all floats.
TABLE = {
    ('cv2', 'color'): dict(u1='srssr', u2='rrrrr', f4='rrrrr'),
    ('cv2', 'grayscale'): dict(u1='srssr', u2='rrrrr', f4='rrrrr'),
    ('cv2', 'unchanged'): dict(u1='srsso', u2='srsso', f4='sosso'),
    ('pillow', 'color'): dict(u1='srssr', u2='rrrrr', f4='rrrrr'),
    ('pillow', 'grayscale'): dict(u1='srssr', u2='rrrrr', f4='rrrrr'),
    ('pillow', 'unchanged'): dict(u1='srsso', u2='sorro', f4='sooro'),
    ('tifffile', 'color'): dict(u1='sssss', u2='sssss', f4='sssss'),
    ('tifffile', 'unchanged'): dict(u1='sssss', u2='sssss', f4='sssss'),
}
SIZE = 24, 32


def pixels(channels: int, kind: str) -> np.ndarray:
    """Smooth and different in every channel; alpha, the fourth, is opaque for half of the image."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    bands = [(np.sin(x / (4 + k)) + np.cos(y / (3 + 2 * k)) + 2) / 4 * 255 for k in range(channels)]
    if channels == 4:
        bands[3] = np.where(x < SIZE[1] // 2, 255, 60)
    image = np.stack(bands, axis=-1).round() * SCALE[kind]
    return (image[..., 0] if channels == 1 else image).astype(kind)


def config(folder, name: str, loader: dict, channels: int) -> Config:
    load = [dict(type='LoadImageFromFile', to_float32=True, **loader), dict(type='PackSegInputs')]
    test = dict(
        batch_size=1,
        num_workers=0,
        dataset=dict(
            type='BaseSegDataset',
            data_root=str(folder),
            img_suffix='.tif',
            data_prefix=dict(img_path=name),
            metainfo=dict(classes=['a', 'b', 'c'], palette=[[0, 0, 0], [9, 9, 9], [20, 20, 20]]),
            pipeline=load,
        ),
    )
    top = max(SCALE[name[-2:]] * 255, 1)
    means = 3 if channels == 3 else 1  # the forks take no other number
    model = dict(
        type='EncoderDecoder',
        data_preprocessor=dict(
            type='SegDataPreProcessor',
            mean=[top * (4 + k) / 10 for k in range(means)],
            std=[top / 4] * means,
            bgr_to_rgb=channels == 3,
        ),
        backbone=dict(type='UNetEncoder', in_channels=channels, channels=[4, 8]),
        decode_head=dict(type='UNetHead', in_channels=[4, 8], num_classes=3),
        test_cfg=dict(mode='whole'),
    )
    cfg = Config(dict(default_scope='mmseg', model=model, test_dataloader=test))
    cfg.visualizer = dict(type='SegLocalVisualizer', name=f'visualizer-{name}-{loader}')
    return cfg


def checkpoint(cfg: Config, path) -> str:
    torch.manual_seed(0)
    model = init_model(cfg, device='cpu')
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.4)  # so that every class occurs
    meta = dict(dataset_meta=cfg.test_dataloader.dataset.metainfo.to_dict())
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return str(path)


@torch.no_grad()
def of_dataset(cfg: Config, weights: str) -> np.ndarray:
    """What ``test.py`` does."""
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    (sample,) = init_model(cfg, weights, device='cpu').test_step(pseudo_collate([dataset[0]]))
    return sample.pred_sem_seg.data[0].numpy()


def of_predictor(cfg: Config, weights: str, path) -> np.ndarray | str:
    """What ``predict.py`` does."""
    predictor = Predictor(cfg, weights)
    keep = predictor.color_type == 'unchanged'
    try:
        loaded = load_file(
            path, predictor.loader, Intensities([path], keep=keep), in_channels=predictor.channels
        )
    except DataError as error:
        return str(error)
    ((_, labels),) = predictor([(path, image) for image in loaded.images])
    return str(labels) if isinstance(labels, Exception) else labels


def given(data: bytes, loader: dict) -> int | None:
    """The channels that a loader gives of a file; ``None`` if it cannot read it."""
    try:
        image = imfrombytes(data, flag=loader['color_type'], backend=loader['imdecode_backend'])
        return 1 if image.ndim == 2 else image.shape[2]
    except Exception:
        return None


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('loader', TABLE)
@pytest.mark.parametrize('kind', SCALE)
def test_one_mask_whoever_loads_the_file(loader, kind, tmp_path):
    backend, color_type = loader
    settings = dict(imdecode_backend=backend, color_type=color_type)
    outcomes = ''
    for channels in CHANNELS:
        name = f'{channels}{kind}'
        (tmp_path / name).mkdir()
        path = tmp_path / name / 'x.tif'
        photometric = 'rgb' if channels in (3, 4) else 'minisblack'
        image = pixels(channels, kind)
        tifffile.imwrite(path, image, photometric=photometric, planarconfig='contig')
        in_channels = given(path.read_bytes(), settings)
        cfg = config(tmp_path, name, settings, in_channels or channels)
        weights = checkpoint(cfg, tmp_path / f'{name}.pth')
        found = of_predictor(cfg.copy(), weights, path)
        if isinstance(found, str):
            assert '\n' not in found
            assert 'damaged' not in found
            outcomes += 'r'
            continue
        if in_channels is None:
            with pytest.raises((AssertionError, OSError)):  # of mmcv and Pillow
                of_dataset(cfg.copy(), weights)
            outcomes += 'o'
            continue
        expected = of_dataset(cfg.copy(), weights)
        inferred = MMSegInferencer(cfg.copy(), weights, device='cpu')(str(path))['predictions']
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(inferred, expected)
        assert len(np.unique(expected)) > 1
        outcomes += 's'
    # older decoders cannot read some of the files that newer ones read, and we refuse
    pairs = zip(outcomes, TABLE[loader][kind], strict=True)
    assert outcomes == ''.join(found if found + table == 'or' else table for found, table in pairs)


def test_the_masks_tell_the_order_of_channels(tmp_path):
    """Else the comparison could not fail."""
    image = pixels(3, 'u1')
    (tmp_path / '3u1').mkdir()
    tifffile.imwrite(tmp_path / '3u1/x.tif', image, photometric='rgb')
    cfg = config(tmp_path, '3u1', dict(imdecode_backend='tifffile'), 3)
    predictor = Predictor(cfg.copy(), checkpoint(cfg, tmp_path / 'w.pth'))
    masks = dict(predictor([(order, image[..., order]) for order in ((0, 1, 2), (2, 1, 0))]))
    for first, second in itertools.combinations(masks.values(), 2):
        assert (first != second).mean() > 0.05

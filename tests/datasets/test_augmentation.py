"""The bases of augmentation on images of every type, in a config, and in the checks."""

from types import SimpleNamespace

import numpy as np
import pytest
from mmcv.transforms import Compose
from mmengine.config import Config
from mmseg.registry import DATASETS, HOOKS, MODELS, TRANSFORMS
from PIL import Image

from mmseg_attn.apps.check import check_config
from mmseg_attn.datasets.pipelines import check_pipeline
from tests.libraries import needs_monai

BASES = ['ct', 'em', 'fluorescence', 'mri', 'rgb']
LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
PACK = dict(type='PackSegInputs')
IMAGES = {
    '8-bit gray': (np.uint8, ()),
    '8-bit color': (np.uint8, (3,)),
    '16-bit gray': (np.uint16, ()),
    'float32': (np.float32, (5,)),
}
CASES = [
    (base, kind) for base in BASES for kind in IMAGES if base != 'rgb' or kind == '8-bit color'
]


def steps_of(root, base: str) -> list[dict]:
    """Return the transforms of a base, or skip the test if MONAI is too old for it."""
    import monai.transforms

    steps = Config.fromfile(root / f'configs/_base_/augmentation/{base}.py').augmentation
    if base != 'rgb' and not hasattr(monai.transforms, 'RandScaleIntensityFixedMean'):
        pytest.skip(f'MONAI {monai.__version__} is older than 1.3')
    return steps


def images(folder) -> None:
    """Write eight color images of 24x30 and their masks of two classes."""
    rng = np.random.default_rng(0)
    for name in ('images', 'masks'):
        (folder / name).mkdir()
    for number in range(8):
        image = rng.integers(0, 256, (24, 30, 3), dtype=np.uint8)
        Image.fromarray(image).save(folder / f'images/{number}.png')
        mask = rng.integers(0, 2, (24, 30), dtype=np.uint8)
        Image.fromarray(mask).save(folder / f'masks/{number}.png')
    (folder / 'train.txt').write_text('0\n1\n2\n3\n')
    (folder / 'val.txt').write_text('4\n5\n6\n7\n')


def dataset(folder, split: str, pipeline: list[dict]) -> dict:
    return dict(
        type='BaseSegDataset',
        data_root=str(folder),
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        img_suffix='.png',
        ann_file=f'{split}.txt',
        metainfo=dict(classes=('ground', 'cell')),
        pipeline=pipeline,
    )


@needs_monai
@pytest.mark.parametrize('size', [(80, 96), (40, 30)], ids=['larger', 'smaller than the crop'])
@pytest.mark.parametrize(('base', 'kind'), CASES)
def test_every_base_on_every_type(root, base, kind, size):
    dtype, channels = IMAGES[kind]
    steps = [TRANSFORMS.build(dict(step)) for step in steps_of(root, base)]
    for step in steps:
        if type(step).__name__ == 'ExternalTransform':
            step.prob = max(step.prob, 0.5)  # so that few rounds reach all
    crop = TRANSFORMS.build(dict(type='RandomCrop', crop_size=(64, 64)))
    pipeline = Compose([crop, *steps])
    rng = np.random.default_rng(0)
    image = (200 * rng.random((*size, *channels))).astype(dtype)
    labels = rng.choice(np.array([0, 1, 2], np.uint8), size)
    labels[0, 0] = 255
    np.random.seed(0)
    contents, ignored = set(), 0
    for _ in range(8):
        results = pipeline(
            dict(img=image.copy(), gt_seg_map=labels.copy(), seg_fields=['gt_seg_map'])
        )
        out = results['img']
        assert out.dtype == dtype
        assert out.shape[2:] == channels
        sides = sorted(min(64, side) for side in size)
        assert sorted(out.shape[:2]) == sides
        assert results['gt_seg_map'].shape == out.shape[:2] == results['img_shape']
        assert set(np.unique(results['gt_seg_map'])) <= {0, 1, 2, 255}
        assert np.isfinite(out.astype(float)).all()
        assert out.std() > 1
        contents.add(out.tobytes())
        ignored += (results['gt_seg_map'] == 255).sum() > 10
    assert len(contents) > 6
    assert ignored


@pytest.mark.parametrize('base', BASES)
def test_only_images_without_a_direction_are_flipped(root, base):
    steps = Config.fromfile(root / f'configs/_base_/augmentation/{base}.py').augmentation
    kinds = {step.type for step in steps}
    assert ('RandomFlip' in kinds) == (base in ('em', 'fluorescence', 'rgb'))
    assert ('RandomRightAngle' in kinds) == (base in ('em', 'fluorescence'))
    inverted = any(step.get('invert_image') for step in steps)
    assert inverted == (base == 'mri')


@needs_monai
@pytest.mark.parametrize('base', BASES)
def test_a_config_takes_a_base_and_the_checks_accept_it(root, base, tmp_path):
    steps_of(root, base)
    images(tmp_path)
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(
        f"_base_ = ['{root.as_posix()}/configs/_base_/augmentation/{base}.py']\n"
        f'train_pipeline = [*{LOAD!r}, *_base_.augmentation, {PACK!r}]\n'
    )
    cfg = Config.fromfile(leaf)
    pipeline = cfg.train_pipeline
    assert len(pipeline) == len(cfg.augmentation) + 3
    network = dict(
        type='EncoderDecoder',
        data_preprocessor=dict(type='SegDataPreProcessor', mean=[0.0] * 3, std=[1.0] * 3),
        backbone=dict(type='UNetEncoder', in_channels=3, channels=[4, 8]),
        decode_head=dict(type='UNetHead', in_channels=[4, 8], num_classes=2),
        test_cfg=dict(mode='whole'),
    )
    loaders = {
        f'{split}_dataloader': dict(dataset=dataset(tmp_path, split, steps))
        for split, steps in (('train', pipeline), ('val', [*LOAD, PACK]))
    }
    report = check_config(Config(dict(loaders, model=network)))
    assert report.findings == []
    loop = SimpleNamespace(
        dataloader=SimpleNamespace(
            dataset=DATASETS.build(dict(loaders['train_dataloader']['dataset']))
        )
    )
    runner = SimpleNamespace(
        model=MODELS.build(network), train_loop=loop, val_loop=None, test_loop=None
    )
    HOOKS.build(dict(type='DatasetCheckHook')).before_train(runner)


@needs_monai
@pytest.mark.parametrize('split', ['train', 'val', 'test'])
def test_in_validation_and_test_it_is_named_as_random(split, tmp_path):
    images(tmp_path)
    step = dict(type='ExternalTransform', name='RandZoom', prob=0.5)
    built = DATASETS.build(dataset(tmp_path, 'val', [*LOAD, step, PACK]))
    findings = [finding for finding in check_pipeline(split, built) if finding.kind == 'random']
    assert [finding.why for finding in findings] == (
        [] if split == 'train' else ['ExternalTransform']
    )

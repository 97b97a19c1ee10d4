"""Every finding, one fault at a time, on a small set that is clean otherwise."""

import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from mmengine.config import Config
from mmseg.datasets.transforms import LoadAnnotations as HostAnnotations
from mmseg.registry import TRANSFORMS
from PIL import Image

from mmseg_attn.apps.check import CheckResult, check, check_config
from mmseg_attn.datasets.findings import KINDS
from mmseg_attn.errors import UsageError
from tests.data import rasters
from tests.libraries import needs_rasterio
from tests.processes import run_script
from tools import check_dataset

SIZE = 16
LISTS = dict(train=range(6), val=range(6, 8), test=range(8, 10))
LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
PACK = dict(type='PackSegInputs')
STRICT = dict(type='LoadStrictAnnotations', num_classes=2)
THREE = dict(metainfo=dict(classes=('ground', 'cell', 'rare')))
EVERYWHERE = 'train, val, test'
FLIP = dict(type='RandomFlip', prob=1.0)
NO_FLIP = dict(type='RandomFlip', prob=0.0)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Ten RGB images of 16x16 whose masks hold the classes 0 and 1, listed for three splits."""
    rng = np.random.default_rng(0)
    for name in ('images', 'masks'):
        (tmp_path / name).mkdir()
    for number in range(10):
        image(tmp_path, number, rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8))
        mask(tmp_path, number, rng.integers(0, 2, (SIZE, SIZE), dtype=np.uint8))
    for split, numbers in LISTS.items():
        (tmp_path / f'{split}.txt').write_text(''.join(f'{number}\n' for number in numbers))
    return tmp_path


def image(folder: Path, number: int, pixels: np.ndarray, **options) -> None:
    Image.fromarray(pixels).save(folder / f'images/{number}.png', **options)


def mask(folder: Path, number: int, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(folder / f'masks/{number}.png')


def labels(*values: int) -> np.ndarray:
    """A mask of these values, in equal parts."""
    return np.resize(np.array(values, dtype=np.uint8), (SIZE, SIZE))


def pixels(folder: Path, number: int) -> np.ndarray:
    return np.array(Image.open(folder / f'images/{number}.png'))


def config(folder: Path, *, model: dict | None = None, **options) -> Config:
    """A config; ``options`` of the dataset, or of one split's: ``train=dict(...)``."""
    common = dict(
        type='BaseSegDataset',
        data_root=str(folder),
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        img_suffix='.png',
        metainfo=dict(classes=('ground', 'cell')),
        pipeline=[*LOAD, PACK],
    )
    common |= {name: value for name, value in options.items() if name not in LISTS}
    loaders = {
        f'{split}_dataloader': dict(
            dataset=dict(common, ann_file=f'{split}.txt') | options.get(split, {})
        )
        for split in LISTS
    }
    network = dict(
        data_preprocessor=dict(mean=[0.0] * 3),
        backbone=dict(type='UNetEncoder', in_channels=3),
        decode_head=dict(type='UNetHead', num_classes=2),
    )
    return Config(dict(loaders, model=network | (model or {})))


def augmented(*transforms: list[dict]) -> dict:
    return dict(type='TestTimeAug', transforms=list(transforms))


def found(report: CheckResult) -> dict[tuple[str, str], int]:
    """How many files each kind of finding names, by kind and split."""
    return {(each.kind, each.split): len(each.files) for each in report.findings}


def only(report: CheckResult):
    (finding,) = report.findings
    return finding


def test_a_clean_set_has_no_finding(folder):
    report = check_config(config(folder))
    assert report.findings == []
    assert report.errors == 0
    train = report.splits['train']
    assert (train['images'], train['checked'], train['sizes']) == (6, 6, {'16x16': 6})
    truth = np.stack([np.array(Image.open(folder / f'masks/{i}.png')) for i in range(6)])
    assert train['classes'] == dict(
        ground=dict(pixels=int((truth == 0).sum()), images=6),
        cell=dict(pixels=int((truth == 1).sum()), images=6),
    )
    assert train['ignored_pixels'] == 0


def cut(name: str, keep: float) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: int(keep * len(data))])

    return damage


def with_nan(path: Path) -> None:
    """Write a TIFF, which decoders tell by its content, with one value that is no number."""
    pytest.importorskip('tifffile', reason='needs tifffile: install mmseg_attn[medical]')
    values = np.random.default_rng(0).random((SIZE, SIZE, 3), dtype=np.float32)
    values[3, 4, 1] = np.nan
    uncompressed = [cv2.IMWRITE_TIFF_COMPRESSION, 1]
    path.write_bytes(cv2.imencode('.tif', values, uncompressed)[1].tobytes())


def with_preview(folder: Path) -> None:
    """Write an image as cameras do, with a second small one in the same file."""
    large = Image.fromarray(pixels(folder, 1))
    small = large.resize((SIZE // 2, SIZE // 2))
    large.save(folder / 'images/1.png', format='MPO', save_all=True, append_images=[small])


def as_jpeg(folder: Path, number: int, orientation: int = 1, keep: float = 1.0) -> None:
    """Write an image as a JPEG, which decoders tell by its content."""
    exif, file = Image.Exif(), io.BytesIO()
    exif[274] = orientation
    Image.fromarray(pixels(folder, number)[:, : SIZE // 2]).save(file, format='JPEG', exif=exif)
    data = file.getvalue()
    (folder / f'images/{number}.png').write_bytes(data[: int(keep * len(data))])
    height, width = (SIZE, SIZE // 2) if orientation < 5 else (SIZE // 2, SIZE)
    mask(folder, number, np.resize(labels(0, 1), (height, width)))


def gray16(folder: Path, number: int = 0) -> None:
    cv2.imwrite(
        str(folder / f'images/{number}.png'), pixels(folder, number)[..., 0].astype(np.uint16) * 9
    )


def rgb16(folder: Path, number: int = 0) -> None:
    cv2.imwrite(str(folder / f'images/{number}.png'), pixels(folder, number).astype(np.uint16) * 9)


def palette(folder: Path, number: int) -> None:
    indices = Image.fromarray(labels(0, 1))
    indices.putpalette([0, 0, 0, 200, 0, 0])
    indices.save(folder / f'masks/{number}.png')


def every_mask(*values: int) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        for number in range(10):
            mask(folder, number, labels(*values))

    return damage


def copy(source: int, target: int, *names: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        for name in names:
            shutil.copy(folder / f'{name}/{source}.png', folder / f'{name}/{target}.png')

    return damage


def listed(split: str, *numbers: int) -> Callable[[Path], None]:
    return lambda folder: (folder / f'{split}.txt').write_text('\n'.join(map(str, numbers)))


def broken(results: dict) -> dict:
    raise RuntimeError('no such thing')


def nothing(folder: Path) -> None:
    pass


# name: what is done to the data, how the config differs, and all that is found
FAULTS = {
    'no split file': (
        lambda d: (d / 'val.txt').unlink(),
        dict(),
        {('refused', 'val'): 0},
    ),
    'unknown dataset': (nothing, dict(type='NoDataset'), {('refused', EVERYWHERE): 0}),
    'empty split': (listed('train'), dict(), {('no-images', 'train'): 0}),
    'no image': (
        lambda d: [(d / f'images/{i}.png').unlink() for i in (0, 7)],
        dict(),
        {
            ('missing-image', 'train'): 1,
            ('missing-image', 'val'): 1,
            ('lonely-mask', EVERYWHERE): 2,
        },
    ),
    'no mask': (
        lambda d: [(d / f'masks/{i}.png').unlink() for i in (0, 3)],
        dict(),
        {('missing-mask', 'train'): 2},
    ),
    'no mask named': (
        nothing,
        dict(train=dict(data_prefix=dict(img_path='images'))),
        {('missing-mask', 'train'): 6},
    ),
    'mask alone': (
        lambda d: mask(d, 99, labels(0, 1)),
        dict(),
        {('lonely-mask', EVERYWHERE): 1},
    ),
    'truncated image': (cut('images/1.png', 0.7), dict(), {('unreadable', 'train'): 1}),
    'truncated jpeg': (
        lambda d: as_jpeg(d, 1, keep=0.9),
        dict(),
        {('unreadable', 'train'): 1},
    ),
    'end of file missing': (
        lambda d: (d / 'images/1.png').write_bytes((d / 'images/1.png').read_bytes()[:-12]),
        dict(),
        {('unreadable', 'train'): 1},
    ),
    'truncated image that a loader takes': (
        cut('images/1.png', 0.7),
        dict(pipeline=[dict(type='LoadAnything'), LOAD[1], PACK]),
        {('unreadable', 'train'): 1},
    ),
    'empty image': (cut('images/9.png', 0), dict(), {('unreadable', 'test'): 1}),
    'animation for an image': (
        lambda d: Image.open(d / 'images/1.png').save(
            d / 'images/1.png', save_all=True, append_images=[Image.open(d / 'images/2.png')]
        ),
        dict(),
        {('unsupported', 'train'): 1},
    ),
    'mask beyond the limit of Pillow': (
        lambda d: Image.new('1', (13400, 13400)).save(d / 'masks/1.png'),
        dict(),
        {('too-large', 'train'): 1},
    ),
    'text for an image': (
        lambda d: (d / 'images/6.png').write_text('<html>404</html>'),
        dict(),
        {('unreadable', 'val'): 1},
    ),
    'truncated mask': (cut('masks/1.png', 0.6), dict(), {('unreadable', 'train'): 1}),
    'text for a mask': (
        lambda d: (d / 'masks/1.png').write_text('none'),
        dict(),
        {('unreadable', 'train'): 1},
    ),
    'smaller mask': (
        lambda d: mask(d, 4, labels(0, 1)[:8]),
        dict(),
        {('size', 'train'): 1},
    ),
    'rotated image': (
        lambda d: as_jpeg(d, 4, orientation=6),
        dict(),
        {('orientation', 'train'): 1},
    ),
    'image upside down': (
        lambda d: as_jpeg(d, 4, orientation=3),
        dict(),
        {('orientation', 'train'): 1},
    ),
    'jpeg with a preview': (with_preview, dict(), {}),
    'upright jpeg': (lambda d: as_jpeg(d, 4), dict(), {}),
    'orientation ignored': (
        lambda d: as_jpeg(d, 4, orientation=3),
        dict(pipeline=[dict(LOAD[0], color_type='color_ignore_orientation'), LOAD[1], PACK]),
        {},
    ),
    'value 7': (lambda d: mask(d, 2, labels(0, 1, 7)), dict(), {('stray-label', 'train'): 1}),
    'value 7, refused': (
        lambda d: mask(d, 2, labels(0, 1, 7)),
        dict(pipeline=[LOAD[0], STRICT, PACK]),
        {('stray-label', 'train'): 1},
    ),
    'value 7, ignored': (
        lambda d: mask(d, 2, labels(0, 1, 7)),
        dict(pipeline=[LOAD[0], dict(STRICT, stray='ignore'), PACK]),
        {('ignored-label', 'train'): 1},
    ),
    'value 256 that wraps to 0': (
        lambda d: mask(d, 2, labels(0, 1, 2).astype(np.uint16) ** 8),
        dict(),
        {('stray-label', 'train'): 1},
    ),
    'one class too many': (
        every_mask(0, 1, 2),
        dict(),
        {(('stray-label', split)): len(numbers) for split, numbers in LISTS.items()},
    ),
    'classes from 1 on': (every_mask(0, 1, 2), dict(reduce_zero_label=True), {}),
    '0/255 masks': (
        every_mask(0, 255),
        dict(),
        {(('0-255', split)): len(numbers) for split, numbers in LISTS.items()},
    ),
    '0/255 masks, 255 not ignored': (
        lambda d: mask(d, 0, labels(0, 255)),
        dict(model=dict(decode_head=dict(type='UNetHead', num_classes=2, ignore_index=100))),
        {('0-255', 'train'): 1},
    ),
    'one 0/255 mask': (
        lambda d: mask(d, 0, labels(0, 255)),
        dict(),
        {('some-0-255', 'train'): 1, ('one-class', 'train'): 1},
    ),
    'one 0/255 mask and one of ignored pixels': (
        lambda d: [mask(d, 0, labels(0, 255)), mask(d, 1, labels(255))],
        dict(),
        {('some-0-255', 'train'): 1, ('one-class', 'train'): 1, ('all-ignored', 'train'): 1},
    ),
    'ignored pixels everywhere': (
        lambda d: [every_mask(0, 1, 255)(d), mask(d, 0, labels(0, 255))],
        dict(),
        {('one-class', 'train'): 1},
    ),
    'color mask': (
        lambda d: mask(d, 5, np.zeros((SIZE, SIZE, 3), dtype=np.uint8)),
        dict(),
        {('color-mask', 'train'): 1},
    ),
    'palette': (lambda d: palette(d, 5), dict(), {}),
    'palette, refused': (
        lambda d: palette(d, 5),
        dict(pipeline=[LOAD[0], STRICT, PACK]),
        {('color-mask', 'train'): 1},
    ),
    'palette, accepted': (
        lambda d: palette(d, 5),
        dict(pipeline=[LOAD[0], dict(STRICT, palette=True), PACK]),
        {},
    ),
    'color mask, ignored': (
        lambda d: palette(d, 5),
        dict(pipeline=[LOAD[0], dict(STRICT, color='ignore'), PACK]),
        {('ignored-color', 'train'): 1},
    ),
    'ignored pixels alone': (
        lambda d: mask(d, 0, labels(255)),
        dict(),
        {('all-ignored', 'train'): 1},
    ),
    'nothing labeled': (
        lambda d: [mask(d, i, labels(255)) for i in LISTS['train']],
        dict(),
        {('nothing-labeled', 'train'): 0},
    ),
    'one class': (lambda d: mask(d, 6, labels(1)), dict(), {('one-class', 'val'): 1}),
    'a class that is nowhere': (
        nothing,
        dict(THREE, model=dict(decode_head=dict(type='UNetHead', num_classes=3))),
        {('absent-class', 'train'): 0, ('absent-class-evaluation', 'val, test'): 0},
    ),
    'no annotations loaded': (
        nothing,
        dict(train=dict(pipeline=[LOAD[0], PACK])),
        {('no-labels', 'train'): 0},
    ),
    'classes of the head': (
        nothing,
        dict(model=dict(decode_head=dict(type='UNetHead', num_classes=3))),
        {('class-count', EVERYWHERE): 0},
    ),
    'classes of an auxiliary head': (
        nothing,
        dict(model=dict(auxiliary_head=[dict(type='FCNHead', num_classes=3)])),
        {('class-count', EVERYWHERE): 0},
    ),
    'a head for boundaries': (
        nothing,
        dict(model=dict(auxiliary_head=[dict(type='STDCHead', num_classes=3)])),
        {},
    ),
    'a head whose output channels are those of embeddings': (
        nothing,
        dict(model=dict(decode_head=dict(type='FCNHead', num_classes=2, out_channels=256))),
        {},
    ),
    'a head with one channel': (
        nothing,
        dict(
            model=dict(
                decode_head=dict(type='UNetHead', num_classes=2, out_channels=1),
                auxiliary_head=dict(type='FCNHead', num_classes=1),
            )
        ),
        {},
    ),
    'no names of classes': (nothing, dict(metainfo={}), {('class-count', EVERYWHERE): 0}),
    'mean of two channels': (
        nothing,
        dict(model=dict(data_preprocessor=dict(mean=[0.0] * 2))),
        {('channels', EVERYWHERE): 0},
    ),
    'a mean for all channels': (nothing, dict(model=dict(data_preprocessor=dict(mean=[0.0]))), {}),
    'a deviation of 0': (
        nothing,
        dict(model=dict(data_preprocessor=dict(mean=[0.0] * 3, std=[1.0, 0.0, 1.0]))),
        {('model', 'model'): 0},
    ),
    'windows without a size': (
        nothing,
        dict(model=dict(type='EncoderDecoder', test_cfg=dict(mode='slide'))),
        {('model', 'model'): 0},
    ),
    'two values of reduce_zero_label': (
        nothing,
        dict(val=dict(pipeline=[LOAD[0], dict(LOAD[1], reduce_zero_label=True), PACK])),
        {('zero-label', 'val'): 0},
    ),
    'labels flipped': (
        nothing,
        dict(pipeline=[*LOAD, FLIP, PACK]),
        {('flipped-labels', 'val, test'): 0},
    ),
    'labels flipped in test-time augmentation': (
        nothing,
        dict(test=dict(pipeline=[LOAD[0], augmented([LOAD[1]], [FLIP, NO_FLIP], [PACK])])),
        {('flipped-labels', 'test'): 0},
    ),
    'labels flipped in a later version, which is not scored': (
        nothing,
        dict(test=dict(pipeline=[LOAD[0], augmented([LOAD[1]], [NO_FLIP, FLIP], [PACK])])),
        {},
    ),
    'labels loaded after the flips of test-time augmentation': (
        nothing,
        dict(test=dict(pipeline=[LOAD[0], augmented([NO_FLIP, FLIP], [LOAD[1]], [PACK])])),
        {},
    ),
    'no flip happens': (nothing, dict(pipeline=[*LOAD, NO_FLIP, PACK]), {}),
    'a flip that is not reversed': (
        nothing,
        dict(val=dict(pipeline=[LOAD[0], dict(FLIP, direction='diagonal'), LOAD[1], PACK])),
        {('flip', 'val'): 0},
    ),
    'a padded test image': (
        nothing,
        dict(test=dict(pipeline=[LOAD[0], dict(type='Pad', size=(32, 32)), LOAD[1], PACK])),
        {('frame', 'test'): 0},
    ),
    'a cropped test image': (
        nothing,
        dict(val=dict(pipeline=[*LOAD, dict(type='CenterCrop', crop_size=(8, 8)), PACK])),
        {('frame', 'val'): 0, ('label-size', 'val'): 0},
    ),
    'labels that are resized with the image': (
        nothing,
        dict(pipeline=[*LOAD, dict(type='Resize', scale=(8, 8)), PACK]),
        {('label-size', 'val'): 0, ('label-size', 'test'): 0},
    ),
    'labels that are loaded after the resize': (
        nothing,
        dict(pipeline=[LOAD[0], dict(type='Resize', scale=(8, 8)), LOAD[1], PACK]),
        {},
    ),
    'classes of one name': (
        nothing,
        dict(metainfo=dict(classes=('cell', 'cell'))),
        {('same-name', EVERYWHERE): 0},
    ),
    'an auxiliary head that ignores another label': (
        nothing,
        dict(model=dict(auxiliary_head=dict(type='FCNHead', num_classes=2, ignore_index=100))),
        {('ignored-labels', 'train'): 0},
    ),
    'random scores': (
        nothing,
        dict(pipeline=[*LOAD, dict(type='PhotoMetricDistortion'), PACK]),
        {('random', 'val, test'): 0},
    ),
    'a class that is ignored in training': (
        nothing,
        dict(model=dict(decode_head=dict(type='UNetHead', num_classes=2, ignore_index=0))),
        {('ignored-class', 'train'): 0},
    ),
    'backbone for one channel': (
        nothing,
        dict(model=dict(backbone=dict(type='UNetEncoder', in_channels=1))),
        {('channels', EVERYWHERE): 0},
    ),
    'pipeline that fails': (
        nothing,
        dict(val=dict(pipeline=[*LOAD, broken, PACK])),
        {('pipeline', 'val'): 0},
    ),
    '16 bits, color': (rgb16, dict(), {('bit-depth', 'train'): 1}),
    '16 bits, gray': (gray16, dict(), {('bit-depth', 'train'): 1, ('converted', 'train'): 1}),
    '16 bits, as floats': (
        rgb16,
        dict(pipeline=[dict(LOAD[0], to_float32=True), LOAD[1], PACK]),
        {('bit-depth', 'train'): 1},
    ),
    '16 bits, kept': (
        rgb16,
        dict(pipeline=[dict(LOAD[0], color_type='unchanged', to_float32=True), LOAD[1], PACK]),
        {},
    ),
    'gray image': (
        lambda d: image(d, 1, pixels(d, 1)[..., 0]),
        dict(),
        {('converted', 'train'): 1},
    ),
    'transparency': (
        lambda d: Image.fromarray(pixels(d, 1)).convert('RGBA').save(d / 'images/1.png'),
        dict(),
        {('converted', 'train'): 1},
    ),
    'color loaded as gray': (
        nothing,
        dict(
            val=dict(pipeline=[dict(LOAD[0], color_type='grayscale'), LOAD[1], PACK]),
            model=dict(data_preprocessor=dict(mean=[0.0] * 3), backbone=dict(type='UNetEncoder')),
        ),
        {('converted', 'val'): 2, ('channels', 'val'): 0},
    ),
    'values that are no numbers': (
        lambda d: with_nan(d / 'images/1.png'),
        dict(pipeline=[dict(LOAD[0], color_type='unchanged', to_float32=True), LOAD[1], PACK]),
        {('not-finite', 'train'): 1},
    ),
    'blank image': (
        lambda d: [image(d, i, np.zeros((SIZE, SIZE, 3), dtype=np.uint8)) for i in (0, 6)],
        dict(),
        {('blank', 'train'): 1, ('blank', 'val'): 1},
    ),
    'listed twice': (listed('train', 0, 1, 2, 1), dict(), {('listed-twice', 'train'): 1}),
    'copy': (copy(0, 1, 'images', 'masks'), dict(), {('duplicate', 'train'): 1}),
    'copy in another format': (
        lambda d: image(d, 1, pixels(d, 0), compress_level=0),
        dict(),
        {('duplicate', 'train'): 1},
    ),
    'leak of a copy': (copy(0, 6, 'images', 'masks'), dict(), {('leak', 'train and val'): 1}),
    'leak of a file': (listed('test', 0, 8), dict(), {('leak', 'train and test'): 1}),
    'validation on training images': (
        nothing,
        dict(val=dict(ann_file='train.txt')),
        {('leak', 'train and val'): 6},
    ),
    'val and test overlap': (
        listed('test', 7, 8),
        dict(),
        {('leak-val-test', 'val and test'): 1},
    ),
    'test is val': (nothing, dict(test=dict(ann_file='val.txt')), {}),
}


@pytest.mark.parametrize('name', FAULTS)
def test_faults(folder, name):
    damage, options, expected = FAULTS[name]
    damage(folder)
    report = check_config(config(folder, **options))
    assert found(report) == expected
    assert report.errors == sum(KINDS[kind].severity == 'error' for kind, _ in expected)


def test_a_class_that_the_metric_ignores_is_named(folder):
    cfg = config(folder)
    cfg.val_evaluator = dict(type='IoUMetric', ignore_index=1)
    cfg.test_evaluator = dict(type='SegEvaluator', metrics=[dict(type='IoUMetric')], ignore_index=0)
    assert [str(finding) for finding in check_config(cfg).findings] == [
        f"{split}: {split}_evaluator.ignore_index is {label}, so that pixels of '{name}' do not "
        'count in the scores, and pixels with the label 255, if any, count as errors\n'
        '    -> no action needed if this is intended; otherwise set ignore_index to 255'
        for split, label, name in (('val', 1, 'cell'), ('test', 0, 'ground'))
    ]


class LoadColors(HostAnnotations):
    """A user's loader of color masks: red is class 1."""

    def _load_seg_map(self, results: dict) -> None:
        with Image.open(results['seg_map_path']) as colors:
            results['gt_seg_map'] = (np.array(colors)[..., 0] > 0).astype(np.uint8)
        results['seg_fields'].append('gt_seg_map')


def test_masks_are_judged_as_a_users_loader_loads_them(folder):
    clean = check_config(config(folder)).splits
    for path in (folder / 'masks').iterdir():
        colors = np.zeros((SIZE, SIZE, 3), dtype=np.uint8)
        colors[..., 0] = 255 * np.array(Image.open(path))
        Image.fromarray(colors).save(path)
    report = check_config(config(folder, pipeline=[LOAD[0], dict(type=LoadColors), PACK]))
    assert report.findings == []
    assert report.splits == clean


def test_metrics_ignore_what_the_head_ignores(folder):
    cfg = config(folder, model=dict(decode_head=dict(num_classes=2, ignore_index=100)))
    cfg.val_evaluator = [dict(type='IoUMetric'), dict(type='IoUMetric', ignore_index=100)]
    cfg.test_evaluator = dict(type='PerClassIoUMetric')
    findings = check_config(cfg).findings
    assert [(each.kind, each.split, each.remedy) for each in findings] == [
        ('ignored-labels', split, f'set {split}_evaluator.ignore_index to 100')
        for split in ('val', 'test')
    ]
    assert findings[0].message.endswith('pixels with the label 100 would count as errors')


def test_every_kind_of_finding_has_a_test():
    assert {kind for *_, expected in FAULTS.values() for kind, _ in expected} == set(KINDS)


def test_all_faults_are_found_in_one_pass(folder):
    cut('images/1.png', 0.7)(folder)
    mask(folder, 2, labels(0, 1, 7))
    mask(folder, 4, labels(0, 1)[:8])
    copy(0, 6, 'images')(folder)
    (folder / 'masks/8.png').unlink()
    assert found(check_config(config(folder))) == {
        ('missing-mask', 'test'): 1,
        ('unreadable', 'train'): 1,
        ('stray-label', 'train'): 1,
        ('size', 'train'): 1,
        ('leak', 'train and val'): 1,
    }


def test_values_and_pixels_are_counted(folder):
    mask(folder, 2, labels(0, 1, 7, 9))
    mask(folder, 3, labels(0, 7))
    finding = only(check_config(config(folder)))
    quarter = SIZE * SIZE // 4
    assert finding.values == {'7': 3 * quarter, '9': quarter}
    assert (
        finding.message == 'masks with values that are not a class: 2 of 6; 7 (192 px), 9 (64 px)'
    )
    assert [file.note for file in finding.files] == ['7: 64 px, 9: 64 px', '7: 128 px']
    assert finding.files[0].path == str(folder / 'masks/2.png')


@pytest.mark.parametrize(
    ('classes', 'remedy'),
    [
        (2, 'save the foreground as 1'),
        (
            3,
            'use masks with the labels 0 to 2, as these masks distinguish only two of the 3 '
            'classes',
        ),
        (
            7,
            'use masks with the labels 0 to 6, as these masks distinguish only two of the 7 '
            'classes',
        ),
    ],
)
def test_the_remedy_for_0_255_masks_fits_the_number_of_classes(folder, classes, remedy):
    every_mask(0, 255)(folder)
    head = dict(type='UNetHead', num_classes=classes)
    names = dict(
        classes=[f'{i}' for i in range(classes)], palette=[[i] * 3 for i in range(classes)]
    )
    cfg = config(folder, model=dict(decode_head=head), metainfo=names)
    findings = [each for each in check_config(cfg).findings if each.kind == '0-255']
    assert [each.split for each in findings] == ['train', 'val', 'test']
    assert {each.remedy for each in findings} == {remedy}
    assert findings[0].message == 'masks that contain only 0 and 255: 6 of 6; 255 is not a class'


def test_values_are_those_of_the_file(folder):
    every_mask(0, 1, 5)(folder)
    finding = check_config(config(folder, reduce_zero_label=True)).findings[0]
    assert (finding.kind, list(finding.values)) == ('stray-label', ['5'])  # 4 after loading


def test_notes_say_what_a_file_has(folder):
    mask(folder, 4, labels(0, 1)[:8])
    copy(0, 1, 'images')(folder)
    copy(2, 8, 'images')(folder)
    notes = {each.kind: each.files[0].note for each in check_config(config(folder)).findings}
    assert notes == {
        'size': '16x8, its image 16x16',
        'duplicate': f'same as {folder}/images/0.png, with a different mask',
        'leak': f'same as {folder}/images/2.png',
    }


@pytest.mark.parametrize('name', ['images/1.png', 'masks/1.png'])
@pytest.mark.parametrize('load', [LOAD[1], STRICT])
def test_a_reason_is_short_and_names_no_object(folder, name, load):
    cut(name, 0)(folder)
    finding = only(check_config(config(folder, pipeline=[LOAD[0], load, PACK])))
    assert finding.kind == 'unreadable'
    assert str(folder) not in finding.files[0].note
    assert 'object at' not in finding.files[0].note


def test_a_rotated_image_has_the_size_it_is_loaded_with(folder):
    as_jpeg(folder, 4, orientation=6)
    mask(folder, 4, np.resize(labels(0, 1), (SIZE, SIZE // 2)))  # fits the stored image alone
    assert ('size', 'train') in found(check_config(config(folder)))


def test_same_sets_are_looked_at_once(folder):
    report = check_config(config(folder, test=dict(ann_file='val.txt')))
    assert report.splits['test'] == dict(same_as='val')
    assert '16x16\ntest: same dataset as' in str(report)


@pytest.mark.parametrize('wrapper', ['RepeatDataset', 'ConcatDataset'])
def test_wrapped_datasets(folder, wrapper):
    mask(folder, 2, labels(0, 1, 7))
    cfg = config(folder)
    inner = cfg.train_dataloader.dataset
    if wrapper == 'ConcatDataset':
        parts = [dict(inner, ann_file=f'{part}.txt') for part in 'ab']
        for part, numbers in zip('ab', ('0\n1\n', '2\n3\n'), strict=True):
            (folder / f'{part}.txt').write_text(numbers)
        repeat = dict(type='RepeatDataset', times=2, dataset=parts[1])
        cfg.train_dataloader.dataset = dict(type=wrapper, datasets=[parts[0], repeat])
    else:
        cfg.train_dataloader.dataset = dict(type=wrapper, times=3, dataset=inner)
    report = check_config(cfg)
    assert found(report) == {('stray-label', 'train'): 1}
    assert report.splits['train']['images'] == (4 if wrapper == 'ConcatDataset' else 6)


def test_a_sample_says_what_it_can(folder):
    (folder / 'masks/1.png').unlink()
    cut('images/2.png', 0.7)(folder)
    model = dict(decode_head=dict(type='UNetHead', num_classes=3))
    report = check_config(config(folder, **THREE, model=model), sample=2)
    assert found(report) == {('missing-mask', 'train'): 1}  # 0 and 5 were opened
    assert report.splits['train']['checked'] == 2
    assert 'train: 6 images, 2 of them checked, 16x16' in str(report)
    clean = check_config(config(folder, train=dict(ann_file='val.txt')), sample=1)
    assert found(clean) == {('leak', 'train and val'): 2}  # names are compared all the same


def test_processes_find_the_same(folder, monkeypatch):
    cut('images/1.png', 0.7)(folder)
    mask(folder, 2, labels(0, 1, 7))
    copy(0, 6, 'images')(folder)
    alone = check_config(config(folder)).to_dict()
    monkeypatch.setattr(check, 'FEW', 0)
    assert check_config(config(folder), workers=2).to_dict() == alone


@TRANSFORMS.register_module()
class LoadAnything(BaseTransform):
    def transform(self, results: dict) -> dict:
        results['img'] = np.zeros((SIZE, SIZE, 3), dtype=np.uint8)
        results['img_shape'] = results['ori_shape'] = (SIZE, SIZE)
        return results


@TRANSFORMS.register_module()
class LoadNpy(BaseTransform):
    def transform(self, results: dict) -> dict:
        results['img'] = np.load(results['img_path'])
        results['img_shape'] = results['ori_shape'] = results['img'].shape[:2]
        return results


def test_files_that_only_the_pipeline_knows(folder):
    for number in range(10):
        np.save(folder / f'images/{number}.npy', pixels(folder, number))
    mask(folder, 4, labels(0, 1)[:8])
    (folder / 'images/5.npy').write_bytes(b'\x93NUMPY')
    shutil.copy(folder / 'images/0.npy', folder / 'images/7.npy')
    options = dict(img_suffix='.npy', pipeline=[dict(type='LoadNpy'), LOAD[1], PACK])
    assert found(check_config(config(folder, **options))) == {
        ('unreadable', 'train'): 1,
        ('size', 'train'): 1,
        ('leak', 'train and val'): 1,
    }


@pytest.mark.parametrize(
    'name',
    ['cityscapes', 'cityscapes20', 'covid19', 'drosophila', 'floodnet', 'knee_mri', 'voc2012'],
)
def test_the_pseudo_sets_are_clean(root, pseudo_data, monkeypatch, name):
    for variable, value in pseudo_data.items():
        monkeypatch.setenv(variable, value)
    report = check_config(Config.fromfile(root / f'configs/_base_/datasets/{name}.py'))
    assert report.errors == 0
    # two crops of the drosophila set are for testing, and the rare class is in neither
    honest = ['synapse'] if name == 'drosophila' else []
    assert [each.message.rpartition(': ')[2] for each in report.findings] == honest
    assert all('same_as' in each or each['checked'] for each in report.splits.values())


def test_every_config_fits_its_data(root, pseudo_data, monkeypatch):
    for variable, value in pseudo_data.items():
        monkeypatch.setenv(variable, value)
    configs = [path for path in root.glob('configs/*/*.py') if path.parent.name != '_base_']
    errors = {path.name: check_config(Config.fromfile(path), sample=1).errors for path in configs}
    assert len(errors) > 10
    assert {name for name, n in errors.items() if n} == set()


@pytest.fixture
def floodnet(root, pseudo_data, tmp_path) -> tuple[Path, Config]:
    """A copy of the pseudo set and the config that reads it."""
    data = shutil.copytree(pseudo_data['FLOODNET_ROOT'], tmp_path / 'floodnet')
    cfg = Config.fromfile(root / 'configs/_base_/datasets/floodnet.py')
    for split in LISTS:
        cfg[f'{split}_dataloader'].dataset.data_root = str(data)
    return data, cfg


def test_what_a_strict_dataset_refuses_is_found_with_all_the_rest(floodnet):
    data, cfg = floodnet
    (data / 'train/train-label-img/6000_lab.png').unlink()
    mask_file = data / 'train/train-label-img/6001_lab.png'
    Image.fromarray(np.full_like(np.array(Image.open(mask_file)), 77)).save(mask_file)
    report = check_config(cfg)
    assert found(report) == {
        ('missing-mask', 'train'): 1,
        ('stray-label', 'train'): 1,
        ('absent-class', 'train'): 0,
    }
    assert 'get the complete FloodNet-Supervised_v1.0' in report.findings[0].remedy


def test_what_only_the_dataset_refuses_is_told(floodnet):
    data, cfg = floodnet
    (data / 'val/val-org-img/6010.jpg').unlink()
    report = check_config(cfg)
    assert found(report) == {('lonely-mask', 'val'): 1, ('refused', 'val'): 0}
    assert re.search('6010_lab.png .*: get the complete', report.findings[0].message)


def test_as_a_process(folder):
    path, result = folder / 'config.py', folder / 'result.json'
    config(folder).dump(path)
    done = run_script('tools/check_dataset.py', path, '--json', result)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith('0 errors, 0 warnings: the data can be used.\n')
    assert 'checking train image 6/6' in done.stderr
    assert json.loads(result.read_text())['findings'] == []

    mask(folder, 2, labels(0, 1, 7))
    done = run_script('tools/check_dataset.py', path, '--json', result, '--workers', '1')
    assert done.returncode == 1
    assert 'Traceback' not in done.stderr
    assert (
        'ERRORS\n  train: masks with values that are not a class: 1 of 6; 7 (85 px)' in done.stdout
    )
    assert f'    {folder}/masks/2.png (7: 85 px)\n    -> correct the masks' in done.stdout
    assert done.stdout.endswith('1 error, 0 warnings: correct the errors before you train.\n')
    content = json.loads(result.read_text())
    assert (content['errors'], content['warnings']) == (1, 0)
    (finding,) = content['findings']
    assert finding['values'] == {'7': 85}
    assert finding['files'] == [dict(path=str(folder / 'masks/2.png'), note='7: 85 px')]


def test_the_config_is_not_overwritten(folder):
    path = folder / 'config.json'
    config(folder).dump(path)
    before = path.read_bytes()
    with pytest.raises(UsageError, match=r'--json .*config\.json is an input of the tool'):
        check_dataset.main([str(path), '--json', str(path)])
    assert path.read_bytes() == before


def test_warnings_alone_are_no_failure(folder, capsys):
    mask(folder, 6, labels(1))
    config(folder).dump(folder / 'config.py')
    with pytest.raises(SystemExit) as end:
        check_dataset.main([str(folder / 'config.py'), '--workers', '1'])
    assert end.value.code == 0
    assert 'WARNINGS\n  val: masks that contain only one class: 1 of 2' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('text', 'message'),
    [(None, 'config.py is missing: name a config file'), ('x = 1', 'the config has no dataset')],
)
def test_no_config_is_one_sentence(tmp_path, text, message):
    if text:
        (tmp_path / 'config.py').write_text(text)
    done = run_script('tools/check_dataset.py', tmp_path / 'config.py')
    assert done.returncode == 1
    assert message in done.stderr.splitlines()[-1]
    assert 'Traceback' not in done.stderr


def test_options_change_the_config(folder):
    config(folder).dump(folder / 'config.py')
    options = ['--cfg-options', 'model.decode_head.num_classes=3', '--sample', '1']
    done = run_script('tools/check_dataset.py', folder / 'config.py', *options)
    assert done.returncode == 1
    assert 'BaseSegDataset has 2 classes, but the decode head has 3' in done.stdout


@pytest.mark.real_data
def test_the_real_covid19_set(root, real_data, tmp_path, monkeypatch):
    pytest.importorskip('nibabel', reason='needs nibabel')
    from tools.dataset_converters import covid19

    covid19.main([str(real_data / 'covid19'), '--out', str(tmp_path)])
    monkeypatch.setenv('COVID19_ROOT', str(tmp_path))
    report = check_config(Config.fromfile(root / 'configs/_base_/datasets/covid19.py'))
    assert {each.kind for each in report.findings} == {'blank'}  # the reconstruction's empty slices
    blank = {Path(file.path).stem for each in report.findings for file in each.files}
    assert blank == {'022', '048'}


def test_neighbors_are_no_conversion_of_channels(folder):
    for number in range(10):
        image(folder, number, pixels(folder, number)[..., 0])
    load = dict(type='LoadNeighbors', color_type='grayscale')
    found = check_config(config(folder, pipeline=[load, LOAD[1], PACK]))
    assert found.findings == []


SCENES = dict(
    img_suffix='.tif',
    seg_map_suffix='.tif',
    pipeline=[
        dict(type='LoadRaster', bands=['red', 'nir'], crop_size=(8, 8)),
        dict(type='LoadRasterAnnotations', num_classes=2),
        PACK,
    ],
)


@pytest.fixture
def scenes(tmp_path) -> Path:
    """Scenes of two bands, whose first rows have no data."""
    rng = np.random.default_rng(0)
    for split, numbers in LISTS.items():
        (tmp_path / f'{split}.txt').write_text(''.join(f'{number}\n' for number in numbers))
        for number in numbers:
            scene(tmp_path, number, rng.random((2, SIZE, 20), np.float32))
            values = rng.integers(0, 2, (1, SIZE, 20)).astype(np.int16)
            values[:, -2:] = -9999
            rasters.write_raster(tmp_path / f'masks/{number}.tif', values, nodata=-9999)
    return tmp_path


def scene(folder: Path, number: int, values: np.ndarray, names=('red', 'nir'), **profile) -> None:
    values[:, :2] = np.nan
    path = folder / f'images/{number}.tif'
    rasters.write_raster(path, values, names=names, nodata=np.nan, **profile)


@needs_rasterio
def test_scenes_are_read_as_the_training_reads_them(scenes):
    network = dict(
        data_preprocessor=dict(mean=[0.0] * 2), backbone=dict(type='UNetEncoder', in_channels=2)
    )
    report = check_config(config(scenes, model=network, **SCENES))
    assert report.findings == []
    assert report.splits['train']['sizes'] == {'20x16': 6}
    assert report.splits['train']['ignored_pixels'] == 6 * 4 * 20


@needs_rasterio
def test_every_scene_needs_the_bands_and_its_labels_the_same_place(scenes):
    import rasterio

    scene(scenes, 3, np.zeros((2, SIZE, 20), np.float32), names=())
    labels = np.full((1, SIZE, 20), 7, np.uint8)
    rasters.write_raster(scenes / 'masks/6.tif', labels)
    moved = rasterio.Affine(30, 0, 499980 + 90, 0, -30, 5300040)
    rasters.write_raster(scenes / 'masks/8.tif', labels * 0, transform=moved)
    report = check_config(config(scenes, **SCENES))
    notes = {Path(file.path).name: file.note for each in report.findings for file in each.files}
    kinds = {Path(file.path).name: each.kind for each in report.findings for file in each.files}
    assert "has no band 'red'" in notes['3.tif']
    assert kinds['3.tif'] == kinds['6.tif'] == 'unsupported'  # which no new copy mends
    assert 'values that are not labels: 7' in notes['6.tif']
    assert 'does not have the pixels of' in notes['8.tif']
    assert len(notes) == 3

"""Data that do not fit the model, one fault at a time."""

import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.fileio import BaseStorageBackend, register_backend
from mmengine.logging import MMLogger
from mmengine.registry import MODEL_WRAPPERS
from mmengine.runner import Runner
from mmseg.datasets.transforms import LoadAnnotations as HostAnnotations
from mmseg.registry import DATASETS, HOOKS, METRICS, MODELS
from PIL import Image
from torch import nn

from mmseg_attn.engine.hooks import dataset_check_hook
from mmseg_attn.errors import (
    CheckpointError,
    DamagedError,
    DataError,
    TooLargeError,
    UnsupportedError,
)
from mmseg_attn.models.segmentors import check_tta

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
FLIP = dict(type='RandomFlip', prob=0.5)
PACK = dict(type='PackSegInputs')


@pytest.fixture
def folder(tmp_path) -> Path:
    """Ten RGB images of 16x16 whose masks hold the classes 0 and 1 and ignored pixels."""
    rng = np.random.default_rng(0)
    for name in ('images', 'masks'):
        (tmp_path / name).mkdir()
    for number in range(10):
        image = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(image).save(tmp_path / f'images/{number}.png')
        save_mask(tmp_path, number, rng.choice(np.array([0, 1, 255], dtype=np.uint8), (16, 16)))
    return tmp_path


def save_mask(folder: Path, number: int, mask: np.ndarray) -> None:
    Image.fromarray(mask).save(folder / f'masks/{number}.png')


def dataset(folder: Path, **options) -> dict:
    common = dict(
        type='BaseSegDataset',
        data_root=str(folder),
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        img_suffix='.png',
        metainfo=dict(classes=('ground', 'cell')),
        pipeline=[LOAD[0], FLIP, LOAD[1], PACK],
    )
    return common | options


def model(*, channels: int = 3, mean: int | None = None, **head) -> dict:
    values = [128.0] * (mean or channels)
    return dict(
        type='EncoderDecoder',
        data_preprocessor=dict(type='SegDataPreProcessor', mean=values, std=values),
        backbone=dict(type='UNetEncoder', in_channels=channels, channels=[4, 8]),
        decode_head=dict(type='UNetHead', in_channels=[4, 8], **dict(num_classes=2) | head),
        test_cfg=dict(mode='whole'),
    )


def check(
    data: dict,
    network: dict | nn.Module,
    *,
    samples: int = 8,
    test: bool = False,
    metrics: list[dict] | None = None,
) -> None:
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=DATASETS.build(data)))
    loop.evaluator = SimpleNamespace(metrics=[METRICS.build(each) for each in metrics or ()])
    runner = SimpleNamespace(
        model=network if isinstance(network, nn.Module) else MODELS.build(network),
        train_loop=loop,
        val_loop=loop if metrics else None,
        test_loop=loop,
    )
    hook = HOOKS.build(dict(type='DatasetCheckHook', samples=samples))
    hook.before_test(runner) if test else hook.before_train(runner)


@pytest.mark.parametrize('draw', [random.random, np.random.rand, lambda: torch.rand(1).item()])
def test_what_fits_passes_and_leaves_the_random_state(folder, draw):
    network = MODELS.build(model())
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(0)
    expected = draw()
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(0)
    check(dataset(folder, pipeline=[*LOAD, draws, PACK]), network)
    assert draw() == expected


def draws(results: dict) -> dict:
    random.random(), np.random.rand(), torch.rand(1)
    return results


@pytest.mark.parametrize(
    ('data', 'network', 'message'),
    [
        (
            dict(metainfo=dict(classes=('a', 'b', 'c'))),
            dict(),
            'BaseSegDataset has 3 classes, but the decode head has 2: set model.decode_head.',
        ),
        (dict(), dict(num_classes=3, out_channels=3), '2 classes, but the decode head has 3: set'),
        (
            dict(),
            dict(channels=1),
            r'0\.png has 3 channels .* mean of data_preprocessor has 1 value: set 3 values in mean',
        ),
        (dict(), dict(num_classes=3, out_channels=3), '2 classes, but the decode head has 3'),
        (
            dict(),
            dict(channels=1),
            r'0.png has 3 channels after .*, but mean of data_preprocessor has 1 value: set 3',
        ),
        (
            dict(pipeline=[dict(LOAD[0], color_type='grayscale'), LOAD[1], PACK]),
            dict(),
            r'0.png has 1 channel after .* mean of data_preprocessor has 3 values: set 1 value',
        ),
        (
            dict(),
            dict(channels=1, mean=3),
            r'0.png has 3 channels after .* the backbone takes 1: set model.backbone.in_channels',
        ),
    ],
)
def test_classes_and_channels(folder, data, network, message):
    with pytest.raises(ValueError, match=message):
        check(dataset(folder, **data), model(**network))


def test_a_head_with_one_channel_has_two_classes(folder):
    check(dataset(folder), model(num_classes=2, out_channels=1))
    check(dataset(folder), model(num_classes=1, out_channels=1))


@pytest.mark.parametrize('head', [dict(num_classes=1), dict(num_classes=2, out_channels=1), {}])
def test_a_dataset_of_one_class_is_told_to_name_the_background(folder, head):
    data = dataset(folder, metainfo=dict(classes=('cell',)))
    with pytest.raises(
        DataError, match=r'1 class, but the decode head has 2: name every class .*background'
    ):
        check(data, model(**head))


def test_more_classes_than_one_channel_tells_apart(folder):
    data = dataset(folder, metainfo=dict(classes=('a', 'b', 'c')))
    with pytest.raises(DataError, match=r'3 classes, .* has 2: set .*num_classes to 3 and remove'):
        check(data, model(num_classes=3, out_channels=1))


@pytest.mark.parametrize('test', [False, True])
def test_a_loss_of_one_channel_is_refused_before_the_first_image(folder, test):
    (folder / 'images/0.png').unlink()  # nothing is read
    metrics = [dict(type='IoUMetric'), dict(type='LossMetric', loss_decode=dict(type='DiceLoss'))]
    network = model(num_classes=1, loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True))
    with pytest.raises(DataError, match='LossMetric needs one logit per class'):
        check(dataset(folder), network, test=test, metrics=metrics)


def test_augmentation_that_takes_two_sigmoids_is_refused(folder):
    network = dict(type='SegTTAModel', module=model(num_classes=1))
    with pytest.raises(DataError, match='ProbabilityTTAModel'):
        check(dataset(folder), network, test=True)
    check(dataset(folder), network | dict(type='ProbabilityTTAModel'), test=True)


def test_a_wrapper_for_several_processes_hides_no_augmentation(monkeypatch):
    class Wrapper(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

    monkeypatch.setitem(MODEL_WRAPPERS.module_dict, 'Wrapper', Wrapper)
    network = MODELS.build(dict(type='SegTTAModel', module=model(num_classes=1)))
    with pytest.raises(DataError, match='ProbabilityTTAModel'):
        check_tta(Wrapper(network))


@pytest.mark.parametrize(
    ('metainfo', 'message'),
    [
        ({}, r'BaseSegDataset has no class names: set metainfo=dict\(classes='),
        (
            dict(CLASSES=('a', 'b')),
            'metainfo has CLASSES, the key before .*: write classes and palette in lower',
        ),
    ],
)
def test_classes_without_a_name(folder, metainfo, message):
    with pytest.raises(DataError, match=message):
        check(dataset(folder, metainfo=metainfo), model())


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        (
            'images/3.png',
            r'images that are missing: 1 of 10 \(train: .*/images/3.png\): add the',
        ),
        ('masks/3.png', r'whose mask is missing: 1 of 10 \(train: .*/masks/3\.png\): add the'),
    ],
)
def test_every_file_of_the_list_must_be_there(folder, name, message):
    (folder / 'all.txt').write_text(''.join(f'{number}\n' for number in range(10)))
    (folder / name).unlink()
    with pytest.raises(DataError, match=message):
        check(dataset(folder, ann_file='all.txt'), model(), samples=1)


def test_labels_are_loaded_where_they_are_needed(folder):
    data = dataset(folder, pipeline=[LOAD[0], PACK])
    with pytest.raises(DataError, match='the pipeline loads no annotations: add dict'):
        check(data, model())
    writes = dict(type='IoUMetric', format_only=True, output_dir=str(folder / 'out'))
    check(data, model(), test=True, metrics=[writes])
    with pytest.raises(DataError, match='loads no annotations'):
        check(data, model(), test=True, metrics=[writes, dict(type='IoUMetric')])


def test_what_may_be_right_is_a_warning(folder, monkeypatch):
    (folder / 'masks/lonely.png').write_bytes((folder / 'masks/0.png').read_bytes())
    (folder / 'twice.txt').write_text('0\n1\n1\n')
    data = dataset(folder, ann_file='twice.txt')
    told = []
    monkeypatch.setattr(dataset_check_hook, 'print_log', lambda text, **how: told.append(text))
    check(data, model(), metrics=[dict(type='IoUMetric')])  # the same set to train and validate
    assert len(told) == 3
    assert f'masks without an image, which are not used: 1 (train, val: {folder}/mas' in told[0]
    assert f'listed more than once: 1 (train, val: {folder}/images/1.png): list' in told[1]
    assert f'are not valid: 2 (train and val: {folder}/images/0.png (the same file)' in told[2]


def test_labels_that_are_not_flipped_back_are_refused(folder):
    data = dataset(folder, pipeline=[*LOAD, FLIP, PACK])
    check(data, model())  # in training, image and labels are flipped together
    with pytest.raises(DataError, match='flips predictions back, but not the labels, so that the'):
        check(data, model(), test=True, metrics=[dict(type='IoUMetric')])
    writes = dict(type='IoUMetric', format_only=True, output_dir=str(folder / 'out'))
    check(data, model(), test=True, metrics=[writes])


@pytest.mark.parametrize(
    ('test', 'head', 'metric', 'expected'),
    [
        (False, 0, 255, "model.decode_head.ignore_index is 0, so that pixels of 'ground' are not"),
        (True, 255, 1, "test_evaluator.ignore_index is 1, so that pixels of 'cell' do not count"),
        (True, 255, 255, None),
        (True, 0, 255, None),
    ],
)
def test_an_ignored_class_is_named(folder, monkeypatch, test, head, metric, expected):
    for number in range(10):
        save_mask(folder, number, np.tile(np.array([0, 1], dtype=np.uint8), (16, 8)))
    told = []
    monkeypatch.setattr(dataset_check_hook, 'print_log', lambda text, **how: told.append(text))
    metrics = [dict(type='IoUMetric', ignore_index=metric)] if test else None
    check(dataset(folder), model(ignore_index=head), test=test, metrics=metrics)
    assert len(told) == (expected is not None)
    assert all(text.startswith(expected) for text in told)


def test_heads_and_metrics_ignore_the_same_label(folder):
    with pytest.raises(DataError, match=r'is 100, but test_evaluator\.ignore_index is 255, so th'):
        check(dataset(folder), model(ignore_index=100), test=True, metrics=[dict(type='IoUMetric')])
    auxiliary = dict(type='FCNHead', in_channels=8, channels=4, num_classes=2, ignore_index=100)
    with pytest.raises(DataError, match=r'set model\.auxiliary_head\.ignore_index to 255'):
        check(dataset(folder), dict(model(), auxiliary_head=auxiliary))


def test_ignored_labels_that_no_mask_has_are_no_conflict(folder):
    metrics = [dict(type='IoUMetric')]
    for number in range(10):
        save_mask(folder, number, np.tile(np.array([0, 1], dtype=np.uint8), (16, 8)))
    check(dataset(folder), model(ignore_index=-100), test=True, metrics=metrics)


class LoadInstances(HostAnnotations):
    """A user's loader of instances: the thousands are the class."""

    def _load_seg_map(self, results: dict) -> None:
        with Image.open(results['seg_map_path']) as mask:
            results['gt_seg_map'] = (np.array(mask) // 1000).astype(np.uint8)
        results['seg_fields'].append('gt_seg_map')


def test_labels_that_a_loader_computes_are_not_those_of_the_file(folder):
    for number in range(10):
        save_mask(folder, number, np.tile(np.array([7, 1007], dtype=np.uint16), (16, 8)))
    with pytest.raises(
        DataError, match='contains the label 1007, but LoadAnnotations keeps only 8'
    ):
        check(dataset(folder), model())
    check(dataset(folder, pipeline=[LOAD[0], dict(type=LoadInstances), PACK]), model())


@pytest.mark.parametrize(
    ('pipeline', 'message'),
    [
        ([LOAD[0], dict(type='Pad', size=(32, 32)), LOAD[1], PACK], 'Pad can change the frame of'),
        (
            [*LOAD, dict(type='CenterCrop', crop_size=(8, 8)), PACK],
            'CenterCrop can change the frame',
        ),
        (
            [*LOAD, dict(type='Resize', scale=(8, 8)), PACK],
            r'\(8, 8\) after the pipeline, but its prediction will have the shape \(16, 16\): load',
        ),
    ],
)
def test_steps_that_a_prediction_cannot_undo_are_refused(folder, pipeline, message):
    data, metrics = dataset(folder, pipeline=pipeline), [dict(type='IoUMetric')]
    check(data, model())  # valid in training
    with pytest.raises(DataError, match=message):
        check(data, model(), test=True, metrics=metrics)


def test_masks_of_one_name_are_not_overwritten(folder):
    for name in ('images', 'masks'):
        (folder / name / 'more').mkdir()
        (folder / name / 'more/3.png').write_bytes((folder / name / '3.png').read_bytes())
    check(dataset(folder), model(), test=True, metrics=[dict(type='IoUMetric')])
    writes = dict(type='IoUMetric', output_dir=str(folder / 'out'))
    with pytest.raises(DataError, match=r'images/3\.png and .*/more/3\.png have the same name, so'):
        check(dataset(folder), model(), test=True, metrics=[writes])


def test_one_mean_for_all_channels_is_valid(folder):
    check(dataset(folder), model(mean=1))
    with pytest.raises(DataError, match='but the backbone takes 4'):
        check(dataset(folder), model(channels=4, mean=1))


def test_a_stray_label_is_named_with_its_file(folder):
    mask = np.zeros((16, 16), dtype=np.uint8)
    mask[0, 0], mask[1, 1] = 2, 7
    save_mask(folder, 9, mask)  # the last image is always looked at
    with pytest.raises(
        ValueError, match=r'masks/9.png contains the label values \[2, 7\]'
    ) as error:
        check(dataset(folder), model(), samples=2)
    assert 'the classes are 0 to 1 and ignored pixels are 255' in str(error.value)


def test_labels_are_those_after_reduce_zero_label(folder):
    for number in range(10):
        save_mask(folder, number, np.tile(np.array([0, 1, 2, 2], dtype=np.uint8), (16, 4)))
    with pytest.raises(ValueError, match=r'contains the label values \[2\]'):
        check(dataset(folder), model())
    check(dataset(folder, reduce_zero_label=True), model())


def test_0_255_masks_are_called_so(folder):
    for number in range(10):
        mask = np.zeros((16, 16), dtype=np.uint8)
        mask[number:] = 255
        save_mask(folder, number, mask)
    with pytest.raises(
        ValueError,
        match=r'masks/9.png and .* \(8 in total\) contain only 0 and 255, .* foreground as 1 or',
    ):
        check(dataset(folder), model())
    with pytest.raises(
        ValueError, match=r'masks/0.png contains only 0 and 255: save the foreground as 1$'
    ):
        check(dataset(folder), model(ignore_index=100))


def test_without_samples_no_image_is_read(folder):
    (folder / 'images/0.png').write_bytes(b'')
    check(dataset(folder), model(), samples=0)


def test_0_1_masks_without_the_rare_class_pass_with_reduce_zero_label(folder):
    for number in range(10):
        save_mask(folder, number, np.tile(np.array([0, 1], dtype=np.uint8), (16, 8)))
    check(dataset(folder, reduce_zero_label=True), model())
    for number in range(10):
        save_mask(folder, number, np.tile(np.array([0, 255], dtype=np.uint8), (16, 8)))
    with pytest.raises(DataError, match='contain only 0 and 255, which reduce_zero_label ignores'):
        check(dataset(folder, reduce_zero_label=True), model())


def test_0_255_masks_do_not_show_three_classes(folder):
    for number in range(10):
        save_mask(folder, number, np.tile(np.array([0, 255], dtype=np.uint8), (16, 8)))
    three = dataset(folder, metainfo=dict(classes=('a', 'b', 'c')))
    for ignored in (255, 100):
        with pytest.raises(ValueError, match='use masks with the labels 0 to 2, as these masks'):
            check(three, model(num_classes=3, ignore_index=ignored))


def test_ignored_pixels_beside_a_single_class_are_no_0_255_mask(folder):
    for number in range(10):
        save_mask(folder, number, np.tile(np.array([0, 255], dtype=np.uint8), (16, 8)))
    hook = dataset_check_hook.DatasetCheckHook()
    one = DATASETS.build(dataset(folder, metainfo=dict(classes=('a',))))
    hook._check_images(one, MODELS.build(model()))


def test_ignored_pixels_beside_class_0_are_no_0_255_mask_if_class_1_occurs(folder):
    for number in range(9):
        save_mask(folder, number, np.tile(np.array([0, 255], dtype=np.uint8), (16, 8)))
    check(dataset(folder), model())


def test_color_masks_are_called_so(folder):
    save_mask(folder, 0, np.zeros((16, 16, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match=r'masks/0.png has 3 channels, so it is a color mask'):
        check(dataset(folder), model())


def test_a_mask_of_another_size_is_named(folder):
    save_mask(folder, 9, np.ones((8, 16), dtype=np.uint8))
    with pytest.raises(
        ValueError, match=r'masks/9.png is 16x8, but its image is 16x16: use the mask'
    ):
        check(dataset(folder), model())


@pytest.mark.parametrize('name', ['images/9.png', 'masks/9.png'])
def test_a_truncated_file_is_named(folder, name):
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 3])
    with pytest.raises(Exception, match=name):
        check(dataset(folder), model())


def test_auxiliary_heads_count_classes_too(folder):
    def with_head(**options) -> dict:
        head = dict(type='FCNHead', in_channels=8, in_index=1, channels=4, num_convs=1)
        return model() | dict(auxiliary_head=[dict(head, num_classes=2), head | options])

    check(dataset(folder), with_head(num_classes=2))
    boundary = dict(type='STDCHead', num_classes=3, boundary_threshold=0.1)
    check(dataset(folder), with_head(**boundary))
    with pytest.raises(ValueError, match=r'auxiliary head has 3: set model.auxiliary_head.'):
        check(dataset(folder), with_head(num_classes=3))


def test_why_a_file_cannot_be_loaded(folder, monkeypatch):
    """Truncated, beyond a loader's limit and sound are told apart."""
    for name in ('images/0.png', 'masks/0.png'):
        sound = (folder / name).read_bytes()
        (folder / name).write_bytes(sound[:60])
        with pytest.raises(DamagedError, match=f'{name} is truncated or damaged'):
            check(dataset(folder), model())
        (folder / name).write_bytes(sound)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
    with pytest.raises(TooLargeError, match=r'masks/0.png has 256 pixels, more than the 200 that'):
        check(dataset(folder), model())
    other = dict(LOAD[0], imdecode_backend='tifffile')
    with pytest.raises(UnsupportedError, match=r'images/0.png is intact \(16x16, RGB, 8 bits\)'):
        check(dataset(folder, pipeline=[other, LOAD[1], PACK]), model())


def test_labels_that_the_loader_cuts_to_8_bits(folder):
    """256 would be class 0; of 16 bits, labels below are what they are."""
    for number in range(10):
        Image.fromarray(np.full((16, 16), number % 2, np.uint16)).save(
            folder / f'masks/{number}.png'
        )
    check(dataset(folder), model())
    Image.fromarray(np.full((16, 16), 257, np.uint16)).save(folder / 'masks/9.png')
    with pytest.raises(
        ValueError, match=r'masks/9.png contains the label 257, but LoadAnnotations keeps'
    ):
        check(dataset(folder), model())


def test_more_classes_than_8_bits_hold(folder):
    many = dataset(folder, metainfo=dict(classes=[str(i) for i in range(256)]))
    with pytest.raises(ValueError, match='8 bits, which support 255 classes and the ignored label'):
        check(many, model(num_classes=256))


def test_wrapped_datasets(folder):
    wrapped = dict(
        type='ConcatDataset',
        datasets=[dict(type='RepeatDataset', times=2, dataset=dataset(folder)), dataset(folder)],
    )
    check(wrapped, model())
    with pytest.raises(ValueError, match='2 classes, but the decode head has 4'):
        check(wrapped, model(num_classes=4))


@pytest.mark.parametrize('tta', [False, True])
def test_test_sets(folder, tta):
    augmented = dict(type='TestTimeAug', transforms=[[FLIP], [LOAD[1]], [PACK]])
    data = dataset(folder, pipeline=[LOAD[0], augmented] if tta else [*LOAD, PACK])

    def wrapped(network: dict) -> dict:
        return dict(type='SegTTAModel', module=network) if tta else network

    check(data, wrapped(model()), test=True)
    with pytest.raises(ValueError, match='the backbone takes 1'):
        check(data, wrapped(model(channels=1, mean=3)), test=True)


def test_weights_that_are_not_finite_are_not_tested(folder):
    network = MODELS.build(model())
    check(dataset(folder), network, test=True)
    next(network.backbone.parameters()).data[0] = float('inf')
    with pytest.raises(CheckpointError, match='the checkpoint contains values that are not finite'):
        check(dataset(folder), network, test=True)


def test_models_without_a_decode_head_are_left_alone(folder):
    check(dataset(folder), dict(type='UNetEncoder', channels=[4, 8]))


@pytest.mark.parametrize('split', ['train', 'val'])
def test_a_training_stops_before_the_first_iteration(folder, tmp_path, split):
    classes = dict(metainfo=dict(classes=('a', 'b', 'c')))
    loaders = {
        name: dict(
            batch_size=1,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dataset(folder, **(classes if name == split else {})),
        )
        for name in ('train', 'val')
    }
    runner = Runner(
        model=model(),
        work_dir=str(tmp_path),
        train_dataloader=loaders['train'],
        val_dataloader=loaders['val'],
        train_cfg=dict(by_epoch=True, max_epochs=1),
        val_cfg=dict(),
        val_evaluator=dict(type='IoUMetric'),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        custom_hooks=[dict(type='DatasetCheckHook')],
        default_scope='mmseg',
        experiment_name=f'{tmp_path.name}-{split}',
        log_level='WARNING',
    )
    with pytest.raises(ValueError, match='3 classes, but the decode head has 2'):
        runner.train()
    assert runner.iter == 0


def test_pixels_without_data_do_not_look_like_0_255_masks(folder):
    for number in range(10):
        save_mask(folder, number, np.resize(np.array([0, 255], np.uint8), (16, 16)))

    def without_data(results: dict) -> dict:
        return dict(results, raster_window=None, valid=results['gt_seg_map'] != 255)

    check(dataset(folder, pipeline=[*LOAD, without_data, PACK]), model())


def test_storage_that_cannot_tell_whether_a_file_exists(folder):
    class Bytes(BaseStorageBackend):
        def get(self, filepath: str) -> bytes:
            return Path(filepath).read_bytes()

        def get_text(self, filepath: str, encoding: str = 'utf-8') -> str:
            return Path(filepath).read_text()

    register_backend('bytes_of_the_test', Bytes, force=True)
    backend = dict(backend='bytes_of_the_test')
    steps = [dict(step, backend_args=backend) for step in LOAD]
    (folder / 'list.txt').write_text('0\n1\n')
    options = dict(pipeline=[*steps, PACK], backend_args=backend, ann_file='list.txt')
    check(dataset(folder, **options), model())


def test_a_loader_of_the_user_has_any_name(folder):
    def read_mask(results: dict) -> dict:
        return HostAnnotations()(results)

    check(dataset(folder, pipeline=[LOAD[0], read_mask, PACK]), model())


def test_masks_that_another_part_of_the_training_set_uses(folder, caplog):
    for number in range(5):
        (folder / f'images/{number}.png').rename(folder / f'images/{number}.jpg')
    parts = [dataset(folder, img_suffix=suffix) for suffix in ('.png', '.jpg')]
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    check(dict(type='ConcatDataset', datasets=parts), model())
    logger.removeHandler(caplog.handler)
    assert 'without an image' not in caplog.text

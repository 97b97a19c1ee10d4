"""Errors of the host that a user has caused, as the host raises them."""

import errno
import os

import mmseg
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import AmpOptimWrapper, build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.registry import DATASETS, MODELS, PARAM_SCHEDULERS
from mmseg.structures import SegDataSample

from mmseg_attn.engine.host_errors import file_sentence, sentence
from mmseg_attn.models.layers import RecurrentResidualBlock

HEAD = dict(type='UNetHead', in_channels=[2, 4], num_classes=2)
MODEL = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor'),
    backbone=dict(type='UNetEncoder', channels=[2, 4]),
    decode_head=HEAD,
)


def told(call, *args, cfg: dict | None = None, options: list[str] | None = None, **kwargs) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call(*args, **kwargs)
    return sentence(caught.value, Config(cfg or {}), options or [])


def batch(*sizes: tuple[int, int]) -> dict:
    samples = [SegDataSample(metainfo=dict(ori_shape=size, img_shape=size)) for size in sizes]
    return dict(inputs=[torch.zeros(3, *size) for size in sizes], data_samples=samples)


def test_images_of_several_sizes():
    model = MODELS.build(MODEL)
    found = told(model.test_step, batch((8, 8), (8, 12)))
    assert 'set batch_size of val_dataloader and test_dataloader to 1' in found


@pytest.mark.skipif(mmseg.__version__ != '1.1.0', reason='later versions test a batch')
def test_a_batch_where_images_are_tested_one_by_one():
    found = told(MODELS.build(MODEL).test_step, batch((8, 8), (8, 8)))
    assert found.startswith('MMSegmentation 1.1.0 tests one image at a time: set batch_size of')


def test_a_training_without_a_size_to_pad_to():
    model = MODELS.build(MODEL)
    found = told(model.data_preprocessor, batch((8, 8), (8, 12)), training=True)
    assert 'set its size, such as (512, 512), or its size_divisor' in found


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_mixed_precision_without_a_gpu():
    weights = [torch.nn.Parameter(torch.zeros(1))]
    found = told(AmpOptimWrapper, optimizer=torch.optim.SGD(weights, lr=0.1))
    assert 'mmseg.BF16OptimWrapper' in found


def test_a_factor_of_a_weight_decay_that_is_not_set():
    optimizer = dict(type='SGD', lr=0.1)
    wrapper = dict(optimizer=optimizer, paramwise_cfg=dict(norm_decay_mult=0))
    found = told(build_optim_wrapper, torch.nn.Linear(1, 1), wrapper)
    assert found.endswith('the optimizer has none: set optim_wrapper.optimizer.weight_decay')


def test_parameters_that_layers_share():
    block = RecurrentResidualBlock(3, 4, norm_cfg=dict(type='BN'))
    wrapper = dict(
        optimizer=dict(type='AdamW', weight_decay=0.1), paramwise_cfg=dict(norm_decay_mult=0)
    )
    found = told(build_optim_wrapper, block, wrapper)
    assert found.endswith('set optim_wrapper.paramwise_cfg.bypass_duplicate=True')
    wrapper['paramwise_cfg']['bypass_duplicate'] = True
    build_optim_wrapper(block, wrapper)


def test_an_option_that_nothing_takes():
    model = dict(MODEL, decode_head=dict(HEAD, num_clases=3))
    option = 'model.decode_head.num_clases=3'
    found = told(MODELS.build, model, cfg=dict(model=model), options=[option])
    assert found.startswith(f'--cfg-options {option}: ')
    assert found.endswith('has no argument num_clases; did you mean num_classes?')


def test_a_key_of_the_config_that_nothing_takes(tmp_path):
    model = dict(MODEL, decode_head=dict(HEAD, sample='OHEM'))
    (tmp_path / 'x.py').write_text(f'model = {model}')
    cfg = Config.fromfile(tmp_path / 'x.py')
    with pytest.raises(TypeError) as caught:
        MODELS.build(cfg.model)
    found = sentence(caught.value, cfg, [])
    assert found.startswith(f'{tmp_path}/x.py sets sample, but ')
    assert found.endswith('has no such argument; did you mean sampler?')


def test_a_type_that_is_not_registered():
    found = told(MODELS.build, dict(type='UNetHaed'))
    assert found.startswith("type='UNetHaed' is not registered as a model: correct the name")


def test_a_registry_whose_name_has_two_words():
    found = told(PARAM_SCHEDULERS.build, dict(type='PolyRL'))
    assert found.startswith("type='PolyRL' is not registered as a parameter scheduler: correct")


@pytest.mark.parametrize('key', ['norm_cfg', 'neck'])
def test_a_part_without_a_type(key):
    model = dict(MODEL, neck=dict(tpye='DABottleneck'))
    if key == 'norm_cfg':
        model = dict(MODEL, backbone=dict(MODEL['backbone'], norm_cfg=dict(tpye='BN')))
    assert 'has no type: add type, or correct its spelling' in told(MODELS.build, model)


@pytest.mark.parametrize(
    'error',
    [
        TypeError("__init__() got an unexpected keyword argument 'inner'"),  # not of the config
        TypeError('unsupported operand'),
        AssertionError('something of ours'),
        AssertionError(),
        KeyError('mean'),
        RuntimeError('CUDA error: device-side assert triggered'),
    ],
)
def test_all_else_is_a_defect(error):
    assert sentence(error, Config(dict(outer=1)), ['outer=1']) == ''
    assert sentence(error, None, []) == ''


def labels(*values: int) -> torch.Tensor:
    return torch.tensor(values).reshape(1, 1, -1)


def test_labels_that_a_loss_does_not_know():
    loss = MODELS.build(dict(type='mmseg.CrossEntropyLoss'))
    found = told(loss, torch.zeros(1, 2, 1, 2), labels(0, 100))
    assert found.startswith('the label 100 is neither a class nor ignored in a loss: set ignore_')


def test_class_weights_of_ignored_pixels():
    """MMSegmentation 1.2 fails; 1.1 and the onedl fork do not."""
    found = sentence(IndexError('index 255 is out of bounds for dimension 0 with size 2'))
    assert found.startswith('CrossEntropyLoss with class_weight fails for ignored pixels: use dict')
    ours = MODELS.build(dict(type='SoftmaxFocalLoss', gamma=0.0, class_weight=[1.0, 2.0]))
    assert ours(torch.zeros(1, 2, 1, 2), labels(0, 255), ignore_index=255).isfinite()


def test_datasets_of_several_classes(tmp_path):
    parts = [
        dict(type='BaseSegDataset', metainfo=dict(classes=classes), lazy_init=True, pipeline=[])
        for classes in (('a', 'b'), ('a', 'c'))
    ]
    config = dict(type='ConcatDataset', datasets=parts, lazy_init=True)
    found = told(DATASETS.build, config)
    assert found.startswith('the datasets of a ConcatDataset differ in classes or palette')


@pytest.mark.parametrize(
    ('number', 'expected'),
    [
        (errno.ENOENT, 'x is missing: correct the path'),
        (errno.EACCES, 'x cannot be used with your permissions: change them'),
        (errno.EROFS, "[Errno 30] Read-only file system: 'x'"),
        (errno.EEXIST, 'x is a file, but a folder is needed'),
        (errno.ENOTDIR, 'x is a file, but a folder is needed'),
        (errno.EISDIR, 'x is a folder, but a file is needed'),
        (errno.EDQUOT, 'x cannot be written, as the disk is full'),
    ],
)
def test_errors_of_files(number, expected):
    assert file_sentence(OSError(number, os.strerror(number), 'x')).startswith(expected)


@pytest.mark.parametrize(
    'head',
    [
        dict(num_classes=1, loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True)),
        dict(num_classes=2, out_channels=1, loss_decode=dict(type='SoftmaxFocalLoss')),
    ],
)
def test_hard_pixels_of_one_output_channel(head):
    head = MODELS.build(
        dict(
            type='FCNHead',
            in_channels=2,
            channels=2,
            num_convs=0,
            concat_input=False,
            sampler=dict(type='OHEMPixelSampler', thresh=0.7),
            **head,
        )
    )
    logits = torch.zeros(1, 1, 4, 4, requires_grad=True)
    label = SegDataSample(gt_sem_seg=PixelData(data=torch.ones(1, 4, 4, dtype=torch.long)))
    with pytest.raises(RuntimeError) as raised:
        head.loss_by_feat(logits, [label])
    assert 'set thresh=None' in sentence(raised.value)


def test_class_weights_of_another_number():
    loss = MODELS.build(dict(type='SoftmaxFocalLoss', class_weight=[1.0, 2.0, 3.0]))
    with pytest.raises(ValueError, match='class_weight has 3 values') as raised:
        loss(torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, dtype=torch.long))
    assert 'as many values as num_classes' in sentence(raised.value)


def test_an_argument_of_the_clipping():
    with pytest.raises(TypeError) as raised:
        torch.nn.utils.clip_grad_norm_([], max_norm=1.0, max_nor=1)
    assert 'set max_norm and norm_type' in sentence(raised.value)


@pytest.mark.parametrize('convert', [int, float])
def test_a_word_in_place_of_a_number(convert):
    options = ['a=1', 'train_cfg.max_iters=abc']
    found = told(convert, 'abc', options=options)
    assert found == '--cfg-options train_cfg.max_iters=abc: abc is no number: write one'
    assert told(convert, 'abcd', options=options) == ''

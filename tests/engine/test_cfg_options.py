"""Options that fit and options that do not, of a config as those of this package."""

import re

import pytest
from mmengine.config import Config

from mmseg_attn.engine import cfg_options
from mmseg_attn.engine.cfg_options import merge_options, parse_options
from mmseg_attn.errors import DataError

CONSTRUCTOR = 'DefaultOptimWrapperConstructor'
CONFIG = 'configs/unet/unet-b16_1xb4-600i_drosophila-128x128.py'


@pytest.fixture
def config(root) -> Config:
    cfg = Config.fromfile(root / CONFIG)
    schedule = {0: (64, 64), 100: (128, 128)}
    cfg.custom_hooks = [dict(type='ResolutionScheduleHook', schedule=schedule)]
    cfg.metrics = dict(type='SegEvaluator', metrics=[dict(type='IoUMetric')])
    return cfg


@pytest.mark.parametrize(
    ('option', 'key', 'value'),
    [
        ('train_dataloader.batch_size=3', 'train_dataloader.batch_size', 3),
        ('train_dataloader.drop_last=true', 'train_dataloader.drop_last', True),
        ('train_dataloader.num_batch_per_epoch=2', 'train_dataloader.num_batch_per_epoch', 2),
        ('model.decode_head.ignore_index=7', 'model.decode_head.ignore_index', 7),
        ('model.backbone.norm_cfg.type=GN', 'model.backbone.norm_cfg.type', 'GN'),
        ('optim_wrapper.clip_grad.max_norm=0.5', 'optim_wrapper.clip_grad.max_norm', 0.5),
        ('default_hooks.checkpoint.save_last=False', 'default_hooks.checkpoint.save_last', False),
        ('metrics.iou_metrics=[mDice]', 'metrics.iou_metrics', ['mDice']),
        ('randomness.deterministic=True', 'randomness.deterministic', True),
        ('env_cfg.cudnn_benchmark=True', 'env_cfg.cudnn_benchmark', True),
        ('env_cfg.for_my_runner=1', 'env_cfg.for_my_runner', 1),
        ('auto_scale_lr.enable=True', 'auto_scale_lr.enable', True),
        ('runner_type=FastRunner', 'runner_type', 'FastRunner'),
        ('load_from=None', 'load_from', None),
        ('a_key_for_my_own_hook.level=1', 'a_key_for_my_own_hook.level', 1),
        ('custom_hooks.0.schedule.100=(96,96)', 'custom_hooks.0.schedule.100', (96, 96)),
        ('custom_hooks.0.schedule.1000=(96,96)', None, (96, 96)),  # looks like 100
        ('custom_hooks.0.priority=LOW', None, 'LOW'),
        ('default_hooks.checkpoint.filename_tmpl=e{}.pth', None, 'e{}.pth'),
        ('default_hooks.mine.type=EMAHook', None, 'EMAHook'),
        ('randomness.seed=7', None, 7),
        ('env_cfg.resource_limit=99', None, 99),
        ('env_cfg.mp_cfg.opencv_num_threads=2', None, 2),
        ('env_cfg.dist_cfg.timeout=99', None, 99),
        ('auto_scale_lr.base_batch_size=16', None, 16),
        ('optim_wrapper.constructor=DefaultOptimWrapperConstructor', None, CONSTRUCTOR),
        ('optim_wrapper.paramwise_cfg.norm_decay_mult=0', None, 0),
        ('optim_wrapper.accumulative_counts=2', None, 2),
        ('model.backbone.norm_cfg.requires_grad=True', None, True),
        ('param_scheduler.0.convert_to_iter_based=True', None, True),
        ('param_scheduler.0.verbose=True', None, True),
        ('val_cfg.fp16=True', None, True),
        ('test_cfg.fp16=True', None, True),
        ('log_processor.window_size=5', None, 5),
    ],
)
def test_what_fits_is_merged(config, option, key, value):
    merge_options(config, [option])
    found = config
    for part in (key or option.partition('=')[0]).split('.'):
        found = found[int(part)] if isinstance(found, list) else found[part]
    assert found == value


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('train_dataloader.batch_sze=3', 'did you mean train_dataloader.batch_size?'),
        ('train_dataloadr.batch_size=3', 'did you mean train_dataloader?'),
        ('param_schedulr=None', 'did you mean param_scheduler?'),
        ('model.decode_haed.num_classes=3', 'did you mean model.decode_head?'),
        ('model.decode_head.num_clases=3', 'UNetHead has no num_clases; did you mean model.'),
        ('model.backbone.channel=[4,8]', 'did you mean model.backbone.channels?'),
        ('optim_wrapper.optimizer.l=0.1', 'has no l; correct the key, or leave it out'),
        ('optim_wrapper.optimzer.lr=0.1', 'did you mean optim_wrapper.optimizer?'),
        ('train_cfg.max_iter=3', 'did you mean train_cfg.max_iters?'),
        ('default_hooks.chekpoint.interval=5', 'did you mean default_hooks.checkpoint?'),
        ('default_hooks.checkpoint.intervall=5', 'did you mean default_hooks.checkpoint.interv'),
        ('randomness.sed=3', 'randomness has no sed; did you mean randomness.seed?'),
        ('randomness.determinstic=True', 'did you mean randomness.deterministic?'),
        ('randomness.shuffle=True', 'randomness has no shuffle; correct the key, or leave'),
        ('env_cfg.cudnn_benchmrk=True', 'did you mean env_cfg.cudnn_benchmark?'),
        ('model.test_cfg.mod=slide', 'did you mean model.test_cfg.mode?'),
        ('env_cfg.mp_cfg.start_method=fork', 'did you mean env_cfg.mp_cfg.mp_start_method?'),
        ('env_cfg.mp_cfg.threads=2', 'env_cfg.mp_cfg has no threads; correct the key, or le'),
        ('env_cfg.dist_cfg.bakend=gloo', 'did you mean env_cfg.dist_cfg.backend?'),
        ('auto_scale_lr.enabled=True', 'did you mean auto_scale_lr.enable?'),
        ('val_cfg.fp61=True', 'ValLoop has no fp61; correct the key, or leave it out'),
        ('param_scheduler.0.end_facto=0', 'did you mean param_scheduler.0.end_factor?'),
        ('param_scheduler.0.begn=0', 'LinearLR has no begn; did you mean param_scheduler.0.begin?'),
        ('optim_wrapper.constructr=A', 'did you mean optim_wrapper.constructor?'),
        ('optim_wrapper.paramwise_cfg.bias_lr_mul=2', 'did you mean optim_wrapper.paramwise_cfg.b'),
        ('log_processor.window_sze=5', 'did you mean log_processor.window_size?'),
        (
            'custom_hooks.3.schedule=1',
            'custom_hooks is a list of length 1, and 3 is not an index of it: use 0',
        ),
        ('custom_hooks.x=1', 'custom_hooks is a list of length 1, and x is not an index of it'),
        ('load_from.a.b=1', 'load_from.a.b does not fit the config: '),
    ],
)
def test_what_does_not_fit_is_named_with_the_right_key(config, option, message):
    before = config.pretty_text
    with pytest.raises(DataError, match=re.escape(message)):
        merge_options(config, [option])
    assert config.pretty_text == before


def test_a_key_that_nobody_knows_is_told(config, monkeypatch):
    told = []
    monkeypatch.setattr(cfg_options, 'print_log', lambda text, **how: told.append(text))
    merge_options(config, ['my_key=1', 'runner_type=FastRunner', 'log_level=INFO'])
    (text,) = told
    assert 'my_key: neither the config nor the runner has my_key' in text


@pytest.mark.parametrize('section', ['randomness', 'env_cfg', 'val_cfg', 'log_processor'])
@pytest.mark.parametrize('state', ['empty', 'missing'])
def test_the_keys_are_known_without_the_section(config, section, state):
    """MMEngine has defaults for all of them."""
    config[section] = {}
    if state == 'missing':
        config.pop(section)
    keys = dict(randomness='seed', env_cfg='cudnn_benchmark', val_cfg='fp16')
    key = keys.get(section, 'window_size')
    with pytest.raises(DataError, match=f'{key[:-1]}; did you mean {section}.{key}'):
        merge_options(config, [f'{section}.{key[:-1]}=1'])
    merge_options(config, [f'{section}.{key}=1'])
    assert config[section][key] == 1


@pytest.mark.parametrize(
    'options',
    [
        ['train_cfg.by_epoch=True', 'train_cfg.max_epochs=3'],
        ['train_cfg.max_iters=3', 'train_cfg.by_epoch=False'],
    ],
)
def test_a_loop_without_a_type(config, options):
    config.train_cfg = dict(val_interval=2)
    merge_options(config, options)
    assert len(config.train_cfg) == 3
    with pytest.raises(DataError, match=r'did you mean train_cfg\.max_epochs'):
        merge_options(config, ['train_cfg.max_epoch=3'])


@pytest.mark.parametrize(
    'options',
    [
        ['optim_wrapper.optimizer.type=SGD', 'optim_wrapper.optimizer.momentum=0.9'],
        ['optim_wrapper.type=AmpOptimWrapper', 'optim_wrapper.loss_scale=dynamic'],
        ['optim_wrapper.constructor=Mine', 'optim_wrapper.paramwise_cfg.bias_lr_mul=2'],
        ['optim_wrapper.constructor=Mine', 'optim_wrapper.mine=2'],
        ['default_hooks.mine.type=EMAHook', 'default_hooks.mine.momentum=0.01'],
        ['param_scheduler.0.type=LinearParamScheduler', 'param_scheduler.0.epoch_length=2'],
        ['runner_type=FlexibleRunner', 'randomness.rank=1'],
    ],
)
@pytest.mark.parametrize('order', [1, -1])
def test_another_option_may_set_the_type(config, options, order):
    """MMEngine merges all options before it builds anything."""
    del config.optim_wrapper['optimizer']['betas']
    merge_options(config, options[::order])


def test_names_in_the_model_are_free(config):
    option = 'optim_wrapper.paramwise_cfg.custom_keys.{}.lr_mult=2'
    merge_options(config, [option.format('heads'), option.format('head')])
    assert config.optim_wrapper.paramwise_cfg.custom_keys.keys() == {'heads', 'head'}


@pytest.mark.parametrize(
    'key', ['env_cfg.cudnn', 'auto_scale_lr.on', 'optim_wrapper.paramwise_cfg.lr']
)
def test_a_key_that_is_not_read_is_told(config, key, monkeypatch):
    told = []
    monkeypatch.setattr(cfg_options, 'print_log', lambda text, **how: told.append(text))
    merge_options(config, [f'{key}=1'])
    (text,) = told
    assert text == (
        f'--cfg-options {key}: neither the config nor the runner has {key}, so it probably has no '
        'effect'
    )


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('custom_hooks.0.schedule={0:(128,128)}', 'is a dict, which is not possible on the comma'),
        ('custom_hooks.0.schedule="{0:(128,128)}"', 'is a dict, which is not possible on the com'),
        ('a={1,(2,3)}', 'a={1,.* cannot be read: write numbers'),
        ('a=[1,(2]', r'cannot be read: write numbers, words and lists of them'),
        ('a', 'a has no value: write KEY=VALUE'),
    ],
)
def test_what_cannot_be_read(option, message):
    with pytest.raises(DataError, match=message):
        parse_options([option])


def test_values_are_those_of_mmengine():
    found = parse_options(['a=1', 'b.c=0.5', 'd=[x,(1,2)]', 'e=x=y', "f='g'"])
    assert found == {'a': 1, 'b.c': 0.5, 'd': ['x', (1, 2)], 'e': 'x=y', 'f': 'g'}


@pytest.mark.parametrize(
    ('option', 'told'),
    [
        ('channels=[4,8]', True),
        ('dataset.img_suffix=.jpg', True),
        ('load_image.color_type=color', True),
        ('load_from=x.pth', False),
        ('train_cfg.max_iters=3', False),
        ('model.decode_head.num_classes=3', False),
        ('default_hooks.checkpoint.interval=3', False),
        ('tta_model.type=ProbabilityTTAModel', False),
    ],
)
def test_a_variable_that_is_used_up_is_told(config, option, told, monkeypatch):
    lines = []
    monkeypatch.setattr(cfg_options, 'print_log', lambda text, **_: lines.append(text))
    merge_options(config, [option])
    name = option.partition('=')[0]
    expected = f'--cfg-options {name}: {name.partition(".")[0]} is a variable of the config'
    assert [line.startswith(expected) for line in lines] == [True] * told

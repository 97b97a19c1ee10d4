"""Options that fit and options that do not, of a config as those of this package."""

import re

import pytest
from mmengine.config import Config

from mmseg_attn.engine import cfg_options
from mmseg_attn.engine.cfg_options import merge_options, parameters_of, parse_options
from mmseg_attn.errors import DataError

CONFIG = 'configs/unet/unet-b16_1xb4-600i_drosophila-128x128.py'


@pytest.fixture
def config(root) -> Config:
    cfg = Config.fromfile(root / CONFIG)
    cfg.custom_hooks = [dict(type='ResolutionScheduleHook', schedule={0: (64, 64)})]
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
        ('default_hooks.checkpoint.filename_tmpl=e{}.pth', None, 'e{}.pth'),
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


@pytest.mark.parametrize('section', ['env_cfg', 'randomness'])
def test_sections_that_the_config_lacks_are_checked(config, section):
    config.pop(section, None)
    key = dict(env_cfg='cudnn_benchmark', randomness='seed')[section]
    with pytest.raises(DataError, match=f'did you mean {section}.{key}'):
        merge_options(config, [f'{section}.{key.replace("e", "", 1)}=1'])
    merge_options(config, [f'{section}.{key}=1'])
    assert config[section][key] == 1


def test_a_key_that_nobody_knows_is_told(config, monkeypatch):
    told = []
    monkeypatch.setattr(cfg_options, 'print_log', lambda text, **how: told.append(text))
    merge_options(config, ['my_key=1', 'runner_type=FastRunner', 'log_level=INFO'])
    (text,) = told
    assert 'my_key: neither the config nor the runner has my_key' in text


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


class Closed:
    def __init__(self, a, *, b=1):
        pass


class Open(Closed):
    def __init__(self, c, **kwargs):
        super().__init__(**kwargs)


class Inherits(Closed):
    pass


def function(d, e=2):
    pass


@pytest.mark.parametrize(
    ('built', 'names', 'all_of_them'),
    [
        (Closed, 'ab', True),
        (Inherits, 'ab', True),
        (Open, 'abc', False),  # kwargs may go to something else
        (function, 'de', True),
    ],
)
def test_parameters(built, names, all_of_them):
    found, closed = parameters_of(built)
    assert {*names} == found - {'kwargs'}
    assert closed == all_of_them

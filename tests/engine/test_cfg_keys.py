"""The keys that MMEngine takes: those of signatures, and those that it reads one by one."""

import inspect
import re

import pytest
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.runner import Runner

from mmseg_attn.engine.cfg_keys import READ, parameters_of


@pytest.mark.parametrize(
    ('section', 'reader', 'name'),
    [
        ('env_cfg', Runner.setup_env, 'env_cfg'),
        ('auto_scale_lr', Runner.scale_lr, 'auto_scale_lr'),
        ('optim_wrapper.paramwise_cfg', DefaultOptimWrapperConstructor, 'paramwise_cfg'),
    ],
)
def test_keys_that_are_read_are_those_of_the_installed_mmengine(section, reader, name):
    code = inspect.getsource(reader)
    found = re.findall(rf"{name}(?:\.get\(|\[)\s*'(\w+)'", code)
    assert {*found} == {*READ[section]}


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

"""mmcv without its compiled operators."""

import importlib.util
import sys
from importlib import metadata

import pytest
import torch
from mmcv.utils import collect_env
from mmengine.utils.dl_utils import mmcv_full_available

from mmseg_attn.compat import ops

LITE = importlib.util.find_spec('mmcv._ext') is None
FORK = any(d.startswith('onedl') for d in metadata.packages_distributions()['mmseg'])
needs_stubs = pytest.mark.skipif(not LITE or FORK, reason='this stack needs no stand-ins')


@needs_stubs
def test_an_operator_says_what_is_missing_when_it_is_called():
    from mmcv.ops import sigmoid_focal_loss

    with pytest.raises(RuntimeError) as caught:
        sigmoid_focal_loss(torch.zeros(2, 3), torch.zeros(2, dtype=torch.long))
    assert 'sigmoid_focal_loss_forward is a compiled operator of mmcv' in str(caught.value)
    assert 'uninstall mmcv-lite, and compile mmcv' in str(caught.value)


@needs_stubs
def test_a_layer_with_an_operator_can_be_built_and_says_so_when_it_runs():
    from mmcv.cnn import build_conv_layer

    layer = build_conv_layer(dict(type='DCN'), 2, 2, 3, deform_groups=1)
    with pytest.raises(RuntimeError, match='deform_conv_forward is a compiled operator'):
        layer(torch.zeros(1, 2, 8, 8))


def test_nobody_takes_the_stubs_for_the_operators():
    assert mmcv_full_available() is not LITE
    if LITE:
        assert 'mmcv._ext' not in sys.modules
        assert collect_env()['MMCV Compiler'] == 'n/a'
        assert collect_env()['MMCV CUDA Compiler'] == 'n/a'


@pytest.mark.parametrize(
    ('version', 'extension', 'changed'),
    [('1.2.2', None, True), ('1.2.2', object(), False), ('1.4.2', None, False)],
    ids=['lite', 'compiled', 'fork'],
)
def test_only_mmcv_lite_with_mmsegmentation_is_changed(monkeypatch, version, extension, changed):
    monkeypatch.setattr(ops, 'find_spec', lambda name: extension)
    monkeypatch.setattr(ops.mmseg, '__version__', version)
    assert ops.are_missing() is changed


def test_stubs_have_every_function_that_is_asked_for():
    stubs = ops.load_stubs('_ext', ['nms', 'get_compiler_version'])
    assert stubs.get_compiler_version() == 'n/a'
    with pytest.raises(RuntimeError, match='nms is a compiled operator'):
        stubs.nms(1, key=2)

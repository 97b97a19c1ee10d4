"""Losses on a GPU: nothing waits for the device, and masks of classes are small."""

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from mmseg_attn.models.losses import pixels
from tests.measures import tensors, value_and_gradients

LOSSES = ['SoftDiceLoss', 'SoftIoULoss', 'SoftmaxFocalLoss']
OVERLAPS = LOSSES[:2]
IGNORED = 255


def batch(classes: int = 4, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Logits and labels of which some are ignored."""
    label = torch.randint(0, classes, (2, 9, 7))
    label[0, :2] = IGNORED
    return torch.randn(2, classes, 9, 7, dtype=dtype, requires_grad=True), label


class Waits(TorchDispatchMode):
    """Notes what makes the host wait for a GPU: values, and sizes that depend on values."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.partition('::')[2]
        indices = tensors(args[1]) if name in ('index', 'index_put', 'index_put_') else []
        if name in (
            '_local_scalar_dense',
            'item',
            'nonzero',
            'masked_select',
            'equal',
            'is_nonzero',
            '_unique2',
            'bincount',
        ) or any(x.dtype == torch.bool for x in indices):
            self.names.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize('weigh', [False, True])
@pytest.mark.parametrize('counted', ['some', 'none', 'weighted'])
@pytest.mark.parametrize('loss', LOSSES)
def test_the_host_never_waits(loss, counted, weigh):
    module = MODELS.build(dict(type=loss, class_weight=[1, 2, 3, 4] if weigh else None))
    logits, label = batch(dtype=torch.float32)
    if counted == 'none':
        label.fill_(IGNORED)
    weight = torch.rand(label.shape) if counted == 'weighted' else None
    with Waits() as waits:
        module(logits, label, weight=weight, ignore_index=IGNORED).backward()
    assert waits.names == []


def test_the_watch_sees_waits():
    x = torch.randn(5)
    with Waits() as waits:
        x[x > 0]
        x.sum().item()
        x.nonzero()
        x.masked_select(x > 0)
    assert set(waits.names) >= {'index', '_local_scalar_dense', 'nonzero', 'masked_select'}


@pytest.mark.parametrize('loss', LOSSES)
def test_shapes_alone_are_enough(loss):
    """On the meta device there are no values to wait for, nor sizes that depend on any."""
    module = MODELS.build(dict(type=loss, class_weight=[1, 2, 3])).to('meta')
    logits = torch.empty(2, 3, 9, 7, device='meta', requires_grad=True)
    value = module(logits, torch.empty(2, 9, 7, device='meta', dtype=torch.long))
    value.backward()
    assert value.shape == ()
    assert logits.grad.shape == logits.shape


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_masks_are_the_one_hot_in_a_byte_each(layout):
    logits, label = batch()
    label[label == IGNORED] = 0
    logits = logits.detach().to(memory_format=layout)
    masks = pixels.class_masks(label, logits)
    assert torch.equal(masks, F.one_hot(label, 4).movedim(-1, 1).bool())
    assert masks.dtype == torch.bool
    assert masks.stride() == logits.stride()


@pytest.mark.parametrize('loss', OVERLAPS)
def test_values_and_gradients_are_those_of_the_one_hot(loss, monkeypatch):
    module = MODELS.build(dict(type=loss, class_weight=[1, 2, 0, 4]))
    logits, label = batch()
    found = value_and_gradients(module(logits, label), [logits])
    monkeypatch.setattr(
        pixels, 'class_masks', lambda label, like: F.one_hot(label, like.shape[1]).movedim(-1, 1)
    )
    expected = value_and_gradients(module(logits, label), [logits])
    assert all(map(torch.equal, found, expected))


@pytest.mark.parametrize('loss', OVERLAPS)
def test_what_is_kept_for_the_backward_pass(loss):
    """The softmax, its product with the pixels' weights, the masks: no integers of eight bytes."""
    kept = {}

    def pack(x: Tensor) -> Tensor:
        kept[x.untyped_storage()._cdata] = x.untyped_storage().nbytes()
        return x

    logits, label = batch(16, torch.float32)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        MODELS.build(dict(type=loss))(logits, label)
    maps = logits.numel()
    assert sum(kept.values()) < maps * (4 + 1) + 64 * label.numel()
    assert sum(kept.values()) >= maps * (4 + 1)


@pytest.mark.parametrize('loss', LOSSES)
def test_a_label_beyond_the_classes_is_refused(loss):
    logits, label = batch()
    label[0, 0, 0] = 4
    with pytest.raises((RuntimeError, IndexError), match='out of'):
        MODELS.build(dict(type=loss))(logits, label)

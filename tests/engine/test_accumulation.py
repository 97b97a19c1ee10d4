"""Gradient accumulation by MMEngine's ``accumulative_counts``: what docs/memory.md says of it."""

import copy

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

LOSS = [dict(type='CrossEntropyLoss', avg_non_ignore=True), dict(type='SoftDiceLoss')]


def network(norm_cfg: dict | None, loss: dict) -> nn.Module:
    cfg = dict(norm_cfg=norm_cfg, channels=[4, 8])
    head = dict(type='UNetHead', in_channels=[4, 8], num_classes=3, norm_cfg=norm_cfg)
    torch.manual_seed(0)
    return MODELS.build(
        dict(
            type='EncoderDecoder',
            data_preprocessor=dict(type='SegDataPreProcessor', size_divisor=1, std=[64], mean=[9]),
            backbone=dict(type='UNetEncoder', in_channels=1, **cfg),
            decode_head=dict(head, loss_decode=loss),
            test_cfg=dict(mode='whole'),
        )
    ).train()


def batch(size: int) -> tuple[list[torch.Tensor], list[SegDataSample]]:
    random = torch.Generator().manual_seed(0)
    images = torch.randint(256, (size, 1, 16, 16), generator=random, dtype=torch.uint8)
    labels = torch.randint(3, (size, 1, 16, 16), generator=random)
    meta = dict.fromkeys(('ori_shape', 'img_shape', 'pad_shape'), (16, 16))
    samples = [SegDataSample(metainfo=meta, gt_sem_seg=PixelData(data=x)) for x in labels]
    return list(images), samples


def gradients(model: nn.Module, parts: int) -> dict[str, torch.Tensor]:
    """The step that SGD takes with a rate of one: minus the gradients."""
    model = copy.deepcopy(model)
    before = copy.deepcopy(dict(model.named_parameters()))
    optimizer = dict(type='SGD', lr=1.0)
    wrapper = build_optim_wrapper(
        model, dict(type='OptimWrapper', optimizer=optimizer, accumulative_counts=parts)
    )
    wrapper.initialize_count_status(model, 0, parts)
    images, samples = batch(4)
    size = 4 // parts
    for start in range(0, 4, size):
        part = slice(start, start + size)
        model.train_step(dict(inputs=images[part], data_samples=samples[part]), wrapper)
    return {name: before[name].detach() - x.detach() for name, x in model.named_parameters()}


def differs(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    """The largest difference over the largest gradient."""
    largest = max(x.abs().max() for x in a.values())
    return float(max((a[name] - b[name]).abs().max() for name in a) / largest)


@pytest.mark.parametrize('parts', [2, 4])
@pytest.mark.parametrize('normalization', ['absent', 'frozen'])
def test_parts_of_a_batch_have_the_gradients_of_the_batch(normalization, parts):
    model = network(dict(type='BN') if normalization == 'frozen' else None, LOSS[0])
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()
    assert differs(gradients(model, 1), gradients(model, parts)) < 1e-5


@pytest.mark.parametrize('norm_cfg', [dict(type='BN'), None])
def test_where_the_gradients_differ_statistics_or_the_loss_are_those_of_a_part(norm_cfg):
    model = network(norm_cfg, LOSS[0] if norm_cfg else LOSS[1])
    assert differs(gradients(model, 1), gradients(model, 2)) > 1e-3

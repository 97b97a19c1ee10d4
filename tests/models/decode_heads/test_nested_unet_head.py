"""U-Net++: which node sees which, the arithmetic, deep supervision, and the published size."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmseg_attn.models.backbones import UNetEncoder
from mmseg_attn.models.decode_heads import NestedUNetHead
from tests.measures import value_and_gradients

BN = dict(type='BN')
LOSS = dict(type='CrossEntropyLoss')
WIDTHS = [2, 3, 4, 5, 6]


def head(widths=WIDTHS, num_classes=3, **kwargs) -> NestedUNetHead:
    return NestedUNetHead(widths, num_classes=num_classes, loss_decode=LOSS, **kwargs)


def maps(size: tuple[int, int] = (16, 32), widths=WIDTHS, n: int = 2, dtype=None) -> list[Tensor]:
    sides = [[-(-side // 2**level) for side in size] for level in range(len(widths))]
    return [torch.randn(n, c, *s, dtype=dtype) for c, s in zip(widths, sides, strict=True)]


def samples(label: Tensor) -> list[SegDataSample]:
    return [SegDataSample(gt_sem_seg=PixelData(data=x)) for x in label]


@pytest.mark.parametrize(('deep_supervision', 'expected'), [(False, 9_163_362), (True, 9_163_560)])
def test_the_config_has_the_published_number_of_parameters(root, deep_supervision, expected):
    cfg = Config.fromfile(
        root / 'configs/unet_plus_plus/unet-plus-plus_1xb10-500e_knee-mri-512x512.py'
    )
    assert cfg.model.decode_head.num_classes == 2
    cfg.model.backbone.in_channels = 3
    cfg.model.decode_head.deep_supervision = deep_supervision
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    assert sum(p.numel() for p in model.parameters()) == expected


def test_without_the_biases_there_are_3648_fewer():
    widths = [32, 64, 128, 256, 512]
    with torch.device('meta'):
        parts = UNetEncoder(channels=widths, norm_cfg=BN), head(widths, num_classes=2, norm_cfg=BN)
    assert sum(p.numel() for part in parts for p in part.parameters()) == 9_159_912


def test_node_i_j_sees_the_nodes_before_it_and_the_one_below_the_last():
    nested = head()
    names = {
        node: (i, j)
        for j, column in enumerate(nested.columns, start=1)
        for i, node in enumerate(column)
    }
    encoded = [x.requires_grad_() for x in maps()]
    leaves = {(i, 0): x for i, x in enumerate(encoded)}
    outputs = {}

    def cut(node: nn.Module, _, output: Tensor) -> Tensor:
        """Let the graph begin anew behind every node."""
        outputs[names[node]] = output
        leaves[names[node]] = output.detach().requires_grad_()
        return leaves[names[node]]

    for node in names:
        node.register_forward_hook(cut)
    nested(encoded)
    assert set(outputs) == {(i, j) for i in range(5) for j in range(1, 5 - i)}
    for (i, j), output in outputs.items():
        gradients = torch.autograd.grad(output.sum(), list(leaves.values()), allow_unused=True)
        seen = {name for name, grad in zip(leaves, gradients, strict=True) if grad is not None}
        assert seen == {(i, before) for before in range(j)} | {(i + 1, j - 1)}


def double(x: Tensor) -> Tensor:
    """Bilinear upsampling: a quarter of the neighbor, three quarters of the pixel itself."""
    for dim in (2, 3):
        size = x.shape[dim]
        index = torch.arange(size)
        before = x.index_select(dim, (index - 1).clamp(min=0))
        after = x.index_select(dim, (index + 1).clamp(max=size - 1))
        pairs = torch.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], dim=dim + 1)
        x = pairs.flatten(dim, dim + 1)
    return x


@pytest.mark.parametrize('size', [(16, 32), (13, 21)])
def test_the_nodes_written_out(size):
    nested = head().double()
    x00, x10, x20, x30, x40 = encoded = maps(size, dtype=torch.float64)

    def node(i: int, j: int, *inputs: Tensor) -> Tensor:
        *before, below = inputs
        height, width = before[0].shape[2:]
        x = torch.cat([*before, double(below)[:, :, :height, :width]], dim=1)
        for conv in nested.columns[j - 1][i]:
            x = F.conv2d(x, conv.conv.weight, conv.conv.bias, padding=1).clamp(min=0)
        return x

    x01, x11, x21, x31 = (
        node(0, 1, x00, x10),
        node(1, 1, x10, x20),
        node(2, 1, x20, x30),
        node(3, 1, x30, x40),
    )
    x02, x12, x22 = node(0, 2, x00, x01, x11), node(1, 2, x10, x11, x21), node(2, 2, x20, x21, x31)
    x03, x13 = node(0, 3, x00, x01, x02, x12), node(1, 3, x10, x11, x12, x22)
    x04 = node(0, 4, x00, x01, x02, x03, x13)
    logits = [
        torch.einsum('kc,nchw->nkhw', conv.weight[..., 0, 0], x) + conv.bias[:, None, None]
        for conv, x in zip(nested.conv_seg, (x01, x02, x03, x04), strict=True)
    ]
    expected = (logits[0] + logits[1] + logits[2] + logits[3]) / 4
    pairs = (
        value_and_gradients(out, list(nested.parameters())) for out in (nested(encoded), expected)
    )
    for ours, theirs in zip(*pairs, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_every_classifier_has_its_loss_and_the_mean_counts():
    nested, encoded = head(), maps()
    label = torch.randint(0, 3, (2, 1, 16, 32))
    label[:, :, :3] = 255
    losses = nested.loss(encoded, samples(label), None)
    nodes = nested.maps(encoded)
    assert len(nodes) == 4
    each = [
        F.cross_entropy(conv(x), label[:, 0], ignore_index=255, reduction='sum') / label.numel()
        for conv, x in zip(nested.conv_seg, nodes, strict=True)
    ]
    torch.testing.assert_close(losses['loss_ce'], torch.stack(each).mean())
    together = nested.loss_by_feat(nested(encoded), samples(label))['loss_ce']
    assert not torch.isclose(losses['loss_ce'], together)  # not the loss of the mean


def test_without_deep_supervision_only_the_last_node_is_classified():
    nested, encoded = head(deep_supervision=False), maps()
    (last,), (conv,) = nested.maps(encoded), nested.conv_seg
    torch.testing.assert_close(nested(encoded), conv(last))
    label = torch.randint(0, 3, (2, 1, 16, 32))
    loss = nested.loss(encoded, samples(label), None)['loss_ce']
    torch.testing.assert_close(loss, F.cross_entropy(conv(last), label[:, 0]))
    seen = []
    nested.columns[3][0].register_forward_hook(lambda *args: seen.append(args[2]))
    torch.testing.assert_close(nested.maps(encoded)[0], seen[0])


@pytest.mark.parametrize('deep_supervision', [True, False])
@pytest.mark.parametrize(('size', 'n'), [((32, 32), 1), ((33, 47), 2)])
def test_any_size_and_every_parameter_learns(size, n, deep_supervision):
    block = dict(type='ConvBlock', bias=True)
    encoder = UNetEncoder(1, channels=[4, 8, 16, 32], block=block, norm_cfg=BN)
    nested = head(encoder.channels, deep_supervision=deep_supervision, block=block, norm_cfg=BN)
    images = torch.randn(n, 1, *size)
    assert nested(encoder(images)).shape == (n, 3, *size)
    nested.loss(encoder(images), samples(torch.randint(0, 3, (n, 1, *size))), None)[
        'loss_ce'
    ].backward()
    parameters = [*encoder.named_parameters(), *nested.named_parameters()]
    assert [name for name, p in parameters if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize('size', [(1, 1), (3, 2)])
def test_images_smaller_than_the_deepest_stride(size):
    assert head().eval()(maps(size, n=1)).shape == (1, 3, *size)


def test_one_map_is_refused():
    with pytest.raises(ValueError, match='at least two maps'):
        head([8])

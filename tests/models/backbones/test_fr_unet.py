"""FR-UNet's grid against the paper's written-out nodes, its size, and the sizes that it takes."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmseg_attn.models.backbones import FRUNet
from mmseg_attn.models.decode_heads import AveragingHead
from tests.measures import Operators, value_and_gradients

BN = dict(type='BN')


class WrittenOut:
    """The sixteen nodes in plain tensor arithmetic, with the weights of a network."""

    def __init__(self, net: FRUNet, dropout: float):
        self.net, self.dropout = net, dropout
        self.maps: dict[tuple[int, int], Tensor] = {}

    def norm(self, x: Tensor, layer: nn.BatchNorm2d) -> Tensor:
        mean = x.mean(dim=(0, 2, 3), keepdim=True)
        variance = ((x - mean) ** 2).mean(dim=(0, 2, 3), keepdim=True)
        x = (x - mean) / (variance + 1e-5).sqrt()
        return x * layer.weight[:, None, None] + layer.bias[:, None, None]

    def act(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, x / 10)

    def layers(self, module: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
        return [m for m in module.modules() if isinstance(m, kind)]

    def node(self, level: int, column: int, *inputs: Tensor) -> None:
        module = self.net.columns[column + 3][level]
        *fuse, first, second = self.layers(module, nn.Conv2d)
        norms = self.layers(module, nn.BatchNorm2d)
        x = torch.cat(inputs, dim=1)
        if len(inputs) > 1 or (level, column) == (0, -3):
            point, near, far = (conv.weight for conv in fuse)
            x = (
                F.conv2d(x, point)
                + F.conv2d(x, near, padding=1)
                + F.conv2d(x, far, padding=2, dilation=2)
            )
            x = self.norm(x, norms.pop(0))
        else:
            assert not fuse
        y = self.norm(F.conv2d(x, first.weight, padding=1), norms[0])
        y = self.act(F.dropout2d(y, self.dropout))
        y = self.norm(F.conv2d(y, second.weight, padding=1), norms[1])
        self.maps[level, column] = self.act(F.dropout2d(y, self.dropout) + x)

    def same(self, level: int, column: int) -> Tensor:
        return self.maps[level, column]

    def down(self, level: int, column: int) -> Tensor:
        conv, norm, _ = self.net.downs[column + 3][level]
        x = self.maps[level, column]
        x = F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2))
        return self.act(self.norm(F.conv2d(x, conv.weight, stride=2), norm))

    def up(self, level: int, column: int) -> Tensor:
        conv, norm, _ = self.net.ups[column + 3][level - 1]
        height, width = self.maps[level - 1, column].shape[2:]
        x = F.conv_transpose2d(self.maps[level, column], conv.weight, stride=2)
        return self.act(self.norm(x, norm))[:, :, :height, :width]

    def __call__(self, image: Tensor) -> list[Tensor]:
        node, same, down, up = self.node, self.same, self.down, self.up
        node(0, -3, image)
        node(0, -2, same(0, -3))
        node(1, -2, down(0, -3))
        node(0, -1, same(0, -2), up(1, -2))
        node(1, -1, down(0, -2), same(1, -2))
        node(2, -1, down(1, -2))
        node(0, 0, same(0, -1), up(1, -1))
        node(1, 0, down(0, -1), same(1, -1), up(2, -1))
        node(2, 0, down(1, -1), same(2, -1))
        node(3, 0, down(2, -1))
        node(0, 1, same(0, 0), up(1, 0))
        node(1, 1, down(0, 0), same(1, 0), up(2, 0))
        node(2, 1, down(1, 0), same(2, 0), up(3, 0))
        node(0, 2, same(0, 1), up(1, 1))
        node(1, 2, down(0, 1), same(1, 1), up(2, 1))
        node(0, 3, same(0, 2), up(1, 2))
        return [same(0, column) for column in (-1, 0, 1, 2, 3)]


@pytest.mark.parametrize('dropout', [0.0, 0.5])
@pytest.mark.parametrize('size', [(8, 16), (7, 13)])
def test_the_grid_written_out(size, dropout):
    net = FRUNet(2, channels=(2, 3, 4, 5), dropout=dropout, norm_cfg=BN).double()
    for parameter in net.parameters():  # normalizations too
        parameter.data += 0.3 * torch.randn_like(parameter)
    image = torch.randn(3, 2, *size, dtype=torch.float64)
    wrt = list(net.parameters())
    torch.manual_seed(1)
    actual = net(image)
    torch.manual_seed(1)
    expected = WrittenOut(net, dropout)(image)
    assert len(actual) == len(expected) == 5
    for ours, theirs in zip(actual, expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    # gradients of the sum of the maps, which every parameter has a part in
    pairs = (value_and_gradients(torch.cat(list(maps)), wrt) for maps in (actual, expected))
    for ours, theirs in zip(*pairs, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    ('channels', 'classes', 'expected'), [(1, 1, 5_719_621), (3, 2, 5_721_002)]
)
def test_every_parameter_of_the_published_size_receives_a_gradient(channels, classes, expected):
    loss = dict(type='CrossEntropyLoss', use_sigmoid=classes == 1)
    net = FRUNet(channels, norm_cfg=BN)
    head = AveragingHead(net.channels, num_classes=classes, loss_decode=loss)
    head(net(torch.randn(2, channels, 16, 16))).square().sum().backward()
    parameters = dict([*net.named_parameters(), *head.named_parameters(prefix='head')])
    assert sum(p.numel() for p in parameters.values()) == expected
    assert [n for n, p in parameters.items() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize('size', [(33, 47), (15, 64), (1, 1)])
def test_any_size_and_a_batch_of_one(size):
    net = FRUNet(1, channels=(2, 4, 8, 16)).eval()
    maps = net(torch.randn(1, 1, *size))
    assert [x.shape for x in maps] == [(1, 2, *size)] * 5


@pytest.mark.parametrize('levels', [2, 3, 5])
def test_other_depths_have_a_map_per_path(levels):
    net = FRUNet(1, channels=[2] * levels)
    maps = net(torch.randn(1, 1, 16, 16))
    assert len(maps) == len(net.channels) == 2 * levels - 3
    sum(x.sum() for x in maps).backward()
    assert [n for n, p in net.named_parameters() if p.grad is None] == []
    with pytest.raises(ValueError, match='at least two levels'):
        FRUNet(channels=[2])


def test_nothing_is_copied_or_added_to_zero():
    net = FRUNet(1, channels=(2, 3, 4, 5), norm_cfg=BN)
    with Operators() as seen:
        net(torch.randn(2, 1, 16, 16))
    aggregating = 16 - 4  # the four others have a single input, and the image's node another one
    assert seen.calls['cat'] == aggregating - 1
    sums = sum(count for name, count in seen.calls.items() if name == 'add')
    assert sums == 16 + 2 * aggregating  # residuals, and the sums of three convolutions

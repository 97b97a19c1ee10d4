import pytest
import torch
from torch import Tensor, nn

from mmseg_attn.models.backbones import DilatedVGG16
from mmseg_attn.models.decode_heads import LargeFOVHead
from tests.measures import value_and_gradients


def dilated_conv(x: Tensor, layer: nn.Module, dilation: int) -> Tensor:
    """A 3x3 convolution as a sum over the nine positions of its kernel."""
    height, width = x.shape[2:]
    padded = nn.functional.pad(x, [dilation] * 4)
    out = layer.bias.view(-1, 1, 1)
    for i in range(3):
        for j in range(3):
            rows = slice(i * dilation, i * dilation + height)
            columns = slice(j * dilation, j * dilation + width)
            seen = padded[:, :, rows, columns]
            out = out + torch.einsum('nchw,dc->ndhw', seen, layer.weight[:, :, i, j])
    return out


def mapped(x: Tensor, layer: nn.Module) -> Tensor:
    return torch.einsum('nchw,dc->ndhw', x, layer.weight[:, :, 0, 0]) + layer.bias.view(-1, 1, 1)


@pytest.mark.parametrize('dilation', [12, 2])
def test_fully_connected_layers_as_convolutions(dilation):
    head = LargeFOVHead(3, channels=5, dilation=dilation, num_classes=4).double().eval()
    x = torch.randn(2, 3, 15, 17, dtype=torch.float64, requires_grad=True)
    fc6 = dilated_conv(x, head.fc6.conv, dilation).relu()
    expected = mapped(mapped(fc6, head.fc7.conv).relu(), head.conv_seg)
    wrt = [x, *head.parameters()]
    torch.testing.assert_close(
        value_and_gradients(head((x,)), wrt),
        value_and_gradients(expected, wrt),
        rtol=1e-9,
        atol=1e-12,
    )


def test_defaults_are_the_papers():
    head = LargeFOVHead(num_classes=21)
    fc6, fc7 = head.fc6.conv, head.fc7.conv
    assert (fc6.in_channels, fc6.out_channels, fc6.kernel_size) == (512, 1024, (3, 3))
    assert (fc6.dilation, fc6.padding) == ((12, 12), (12, 12))
    assert (fc7.in_channels, fc7.out_channels, fc7.kernel_size) == (1024, 1024, (1, 1))
    assert (head.conv_seg.in_channels, head.conv_seg.out_channels) == (1024, 21)


def test_single_values_are_dropped_after_both_layers():
    head = LargeFOVHead(2, channels=6, num_classes=3)
    dropped = []
    for layer in (head.fc7, head.conv_seg):
        layer.register_forward_pre_hook(lambda _, x: dropped.append(x[0]))
    nn.init.zeros_(head.fc6.conv.weight)
    nn.init.zeros_(head.fc7.conv.weight)
    nn.init.ones_(head.fc6.conv.bias)
    nn.init.ones_(head.fc7.conv.bias)
    head((torch.randn(1, 2, 20, 20),))
    for x in dropped:
        assert set(x.unique().tolist()) == {0.0, 2.0}
        assert ((x == 0).float().mean(dim=(2, 3)) - 0.5).abs().max() < 0.15  # in every channel
    dropped.clear()
    head.eval()((torch.randn(1, 2, 20, 20),))
    assert all((x == 1).all() for x in dropped)


@pytest.mark.parametrize(('batch', 'size'), [(2, (64, 48)), (2, (37, 50)), (1, (32, 32))])
def test_deeplabv1_on_any_size_and_every_parameter_learns(batch, size):
    backbone = DilatedVGG16(channels=(4, 4, 8, 8, 8), init_cfg=dict(type='Kaiming', layer='Conv2d'))
    head = LargeFOVHead(8, channels=16, dilation=2, num_classes=3)
    backbone.init_weights()
    logits = head(backbone(torch.randn(batch, 3, *size)))
    assert logits.shape == (batch, 3, *(-(-side // 8) for side in size))
    logits.square().sum().backward()
    for part in (backbone, head):
        assert [n for n, p in part.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_deeplabv1_has_20485954_parameters():
    with torch.device('meta'):
        parts = DilatedVGG16(), LargeFOVHead(num_classes=2)
    assert sum(p.numel() for part in parts for p in part.parameters()) == 20_485_954

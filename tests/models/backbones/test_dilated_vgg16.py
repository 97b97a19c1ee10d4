import pytest
import torch
from torch import Tensor, nn

from mmseg_attn.models.backbones import DilatedVGG16
from tests.measures import value_and_gradients

CONVS = {  # position in torchvision's vgg16().features: channels
    0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256), 12: (256, 256),
    14: (256, 256), 17: (256, 512), 19: (512, 512), 21: (512, 512), 24: (512, 512),
    26: (512, 512), 28: (512, 512),
}  # fmt: skip


def test_names_and_shapes_are_those_of_torchvision():
    with torch.device('meta'):
        state = DilatedVGG16().state_dict()
    expected = {}
    for position, (before, after) in CONVS.items():
        expected[f'features.{position}.weight'] = (after, before, 3, 3)
        expected[f'features.{position}.bias'] = (after,)
    assert {name: tuple(value.shape) for name, value in state.items()} == expected


def test_weights_of_torchvision_load(tmp_path):
    """Into a narrow one; the file holds VGG16's classifier too."""
    channels = (2, 2, 3, 4, 4)
    state = DilatedVGG16(channels=channels).state_dict()
    weights = {name: torch.randn_like(value) for name, value in state.items()}
    classifier = {f'classifier.{i}.weight': torch.randn(3, 3) for i in (0, 3, 6)}
    torch.save({**weights, **classifier}, tmp_path / 'vgg16.pth')
    checkpoint = dict(type='Pretrained', checkpoint=str(tmp_path / 'vgg16.pth'))
    backbone = DilatedVGG16(
        channels=channels, init_cfg=[dict(type='Kaiming', layer='Conv2d'), checkpoint]
    )
    backbone.init_weights()
    torch.testing.assert_close(dict(backbone.state_dict()), weights, rtol=0, atol=0)


def shifted(x: Tensor, dilation: int, fill: float) -> Tensor:
    """What a 3x3 kernel sees at every position: ``(9, N, C, H, W)``."""
    height, width = x.shape[2:]
    padded = nn.functional.pad(x, [dilation] * 4, value=fill)
    places = torch.cartesian_prod(torch.arange(3), torch.arange(3)) * dilation
    return torch.stack([padded[..., i : i + height, j : j + width] for i, j in places.tolist()])


@pytest.mark.parametrize('size', [(24, 16), (21, 19)])
def test_against_plain_arithmetic(size):
    backbone = DilatedVGG16(2, channels=(2, 3, 2, 3, 4)).double()
    for parameter in backbone.parameters():  # PyTorch's start lets the signal die without BN
        nn.init.normal_(parameter, std=0.5)
    image = torch.randn(2, 2, *size, dtype=torch.float64, requires_grad=True)
    positions, x = iter(CONVS), image
    for convs, dilation, stride in [(2, 1, 2), (2, 1, 2), (3, 1, 2), (3, 1, 1), (3, 2, 1)]:
        for _ in range(convs):
            layer = backbone.features[next(positions)]
            seen = shifted(x, dilation, 0.0)
            x = torch.einsum('knchw,dck->ndhw', seen, layer.weight.flatten(2))
            x = (x + layer.bias.view(-1, 1, 1)).relu()
        x = shifted(x, 1, -torch.inf).amax(dim=0)[..., ::stride, ::stride]
    x = shifted(x, 1, 0.0).mean(dim=0)
    assert x.any()
    wrt = [image, *backbone.parameters()]
    (actual,) = backbone(image)
    torch.testing.assert_close(
        value_and_gradients(actual, wrt), value_and_gradients(x, wrt), rtol=1e-8, atol=1e-10
    )


@pytest.mark.parametrize(('size', 'expected'), [(224, 28), (250, 32), (33, 5), (1, 1)])
def test_stride_8_rounded_up(size, expected):
    (x,) = DilatedVGG16(channels=(2, 2, 2, 2, 2))(torch.randn(1, 3, size, size))
    assert x.shape == (1, 2, expected, expected)

"""Where the positions of a layer lie in an image, and what is kept of a run."""

import numpy as np
import pytest
import torch
from mmseg.registry import MODELS

from mmseg_attn.visualization.attention_recording import Grid, record, stride


@pytest.mark.parametrize(
    ('side', 'positions', 'expected'),
    [
        (128, 128, 1),
        (128, 8, 16),
        (101, 51, 2),  # rounded up: 101, 51, 26, 13, 7
        (101, 7, 16),
        (250, 31, 8),  # rounded down: 250, 125, 62, 31
        (17, 2, 16),
        (100, 30, 100 / 30),
    ],
)
def test_stride(side, positions, expected):
    assert stride(side, positions) == expected


def test_pixels_of_the_image_and_positions_of_a_map():
    """An image of 60 x 40 pixels, resized by two; the map has stride 8."""
    grid = Grid(rows=10, columns=15, stride=8, height=4, width=4)
    assert grid.position(x=0, y=0) == (0, 0)
    assert grid.position(x=7.9, y=4) == (1, 1)
    assert grid.position(x=59, y=39) == (9, 14)
    assert grid.position(x=70, y=70) == (9, 14)  # padding
    assert grid.box(slice(2, 4), slice(14, 17)) == (56, 60, 8, 16)
    assert grid.box(slice(None), slice(None)) == (0, 60, 0, 40)


def model(**kwargs):
    return MODELS.build(
        dict(
            type='EncoderDecoder',
            backbone=dict(type='UNetEncoder', in_channels=1, channels=[2, 4, 8]),
            neck=dict(type='DABottleneck', channels=8),
            decode_head=dict(
                dict(type='LFAHead', in_channels=[2, 4, 8], window_size=3, num_classes=3), **kwargs
            ),
        )
    )


def test_the_calls_the_labels_and_no_trace():
    net, image = model(), np.zeros((20, 24), np.uint8)
    inputs = torch.randn(1, 1, 48, 64)
    found = record(net, inputs, image=image, resized=(40, 48))
    names = ['neck.attention', 'decode_head.fusions.1', 'decode_head.fusions.0']
    assert [call.name for call in found.calls] == names
    assert [found.grid(call)[:3] for call in found.calls] == [(12, 16, 4), (24, 32, 2), (48, 64, 1)]
    assert found.grid(found.calls[0])[3:] == (2, 2)  # 4 pixels of the input, 2 of the image
    for call in found.calls:
        assert torch.equal(call.layer(*call.inputs), call.output)
    labels = net(inputs).argmax(dim=1)[0]
    assert np.array_equal(found.labels, labels[:40, :48])
    assert found.label(x=23, y=19) == labels[38, 46]
    assert not any(layer._forward_hooks for layer in net.modules())


def test_one_logit_counts_from_its_threshold_on():
    net = model(num_classes=2, out_channels=1, threshold=0.7)
    with torch.no_grad():
        net.decode_head.conv_seg.weight.zero_()
        for probability, label in ((0.6, 0), (0.8, 1)):
            net.decode_head.conv_seg.bias.fill_(np.log(probability / (1 - probability)))
            image, inputs = np.zeros((8, 8), np.uint8), torch.zeros(1, 1, 8, 8)
            found = record(net, inputs, image=image, resized=(8, 8))
            assert (found.labels == label).all()

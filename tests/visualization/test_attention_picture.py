"""What is drawn of the attention layers, and where."""

import numpy as np
import pytest
import torch
from mmseg.registry import MODELS

from mmseg_attn.visualization import draw_attention, record

CLASSES = ['cell', 'gap', 'rest']


def recording(neck=None, head='UNetHead', size=(32, 48), **kwargs):
    """A picture of half the size of the input."""
    widths = [8, 8, 8]
    net = MODELS.build(
        dict(
            type='EncoderDecoder',
            backbone=dict(type='UNetEncoder', in_channels=1, channels=widths),
            neck=neck,
            decode_head=dict(type=head, in_channels=widths, num_classes=3, **kwargs),
        )
    )
    image = np.zeros((size[0] // 2, size[1] // 2), np.uint8)
    return record(net, torch.randn(1, 1, *size), image=image, resized=size)


def draw(found, points=((5, 9),)):
    figure = draw_attention(found, points, title='a model', classes=CLASSES)
    figure.canvas.draw()
    return figure


def titled(figure, text):
    return [ax for ax in figure.axes if text in ax.get_title()]


def frame(ax):
    """Left, right, top and bottom of the frame that lies on top."""
    box = ax.patches[-1].get_bbox()
    return box.x0, box.x1, box.y0, box.y1


def test_local_windows_are_drawn_where_they_lie_and_enlarged():
    found = recording(head='LFAHead', window_size=3)
    figure = draw(found, [(5, 9), (22, 15)])
    first, last = titled(figure, 'Point')
    assert f'x=5, y=9\npredicted: {CLASSES[found.label(5, 9)]}' in first.get_title()
    coarse, fine = titled(figure, 'stride 2'), titled(figure, 'stride 1')
    # Positions: (9, 5) at stride 2, which is one pixel of the picture; (18, 10) at stride 1.
    assert frame(coarse[0]) == (3, 6, 9, 12)
    assert frame(fine[0]) == (4.5, 6, 9, 10.5)
    assert frame(coarse[1]) == (21, 24, 15, 16)  # cut off by the picture
    assert 'window of 3 x 1' in coarse[1].get_title()
    assert [ax.get_xlim() for ax in (coarse[0], fine[0])] == [(0, 9), (3, 7.5)]
    assert [ax.get_ylim() for ax in (coarse[0], fine[0])] == [(15, 6), (12, 7.5)]
    for query, index in ((first, 0), (last, 1)):  # both windows on the whole picture, too
        drawn = [patch.get_bbox().x0 for patch in query.patches]
        assert set(drawn) == {frame(coarse[index])[0], frame(fine[index])[0]}
    assert 'frame: the window' in figure.get_suptitle()


def test_the_shown_weights_are_shares_in_percent():
    found = recording(neck=dict(type='DABottleneck', channels=8))
    (ax,) = titled(draw(found), 'DABlock, stride 4\nneck.attention, all 8 x 12')
    picture, heat = ax.get_images()
    assert heat.get_extent() == [0, 24, 16, 0] == list(picture.get_extent())
    weights = found.calls[0].layer.attention_map(*found.calls[0].inputs, point=(4, 2))
    np.testing.assert_allclose(heat.get_array(), 100 * weights[0, 0].detach(), rtol=1e-5)
    assert heat.colorbar.ax.get_ylabel() == 'share of the attention, % (if even: 1 %)'


def test_weights_of_positions_and_of_channels():
    found = recording(neck=dict(type='CSAMSkip', in_channels=[8, 8, 8], reduction=1))
    figure = draw(found)
    assert not titled(figure, 'Point')
    assert len(titled(figure, 'CSAM, stride 1')) == len(titled(figure, 'CSAM, stride 2')) == 2
    maps, bars = titled(figure, 'CSAM, stride 1\nneck.attentions.0')
    layer, inputs = found.calls[0].layer, found.calls[0].inputs
    with torch.no_grad():
        spatial, channel = layer.spatial_weights(*inputs), layer.channel_weights(*inputs)
    np.testing.assert_allclose(maps.get_images()[1].get_array(), spatial[0, 0], rtol=1e-5)
    order = channel[0, :, 0, 0].argsort(descending=True)
    names = [label.get_text() for label in bars.get_yticklabels()]
    assert names[::-1] == [str(i.item()) for i in order]
    widths = [bar.get_width() for bar in bars.patches]
    np.testing.assert_allclose(widths[::-1], channel[0, order, 0, 0], rtol=1e-5)
    (strongest, _) = [ax for ax in figure.axes if ax.get_title().startswith('channel')]
    assert strongest.get_title() == f'channel {order[0]}'
    expected = found.calls[0].output[0, order[0]]
    np.testing.assert_allclose(strongest.get_images()[1].get_array(), expected, rtol=1e-5)


def test_what_goes_up_is_what_channel_attention_weighs():
    found = recording(fusion=dict(type='ChannelAttentionConcatenation', reduction=1))
    (call, _), figure = found.calls, draw(found)
    with torch.no_grad():
        weights = call.layer.channel_weights(*call.inputs)
    channel = weights[0, :, 0, 0].argmax()
    ax = next(ax for ax in figure.axes if ax.get_title().startswith('channel'))
    expected = (call.inputs[1] * weights)[0, channel]
    np.testing.assert_allclose(ax.get_images()[1].get_array(), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ('neck', 'rows'),
    [
        (dict(type='DABottleneck', channels=8), 3),
        (dict(type='HybridAttentionSkip', in_channels=[8, 8, 8]), 3),
        (None, 1),
    ],
    ids=['points', 'both weights', 'positions'],
)
def test_rows_are_what_the_layers_have(neck, rows):
    fusion = None if neck else dict(type='AttentionGate')
    figure = draw(recording(neck=neck, fusion=fusion), [(1, 1), (2, 2), (3, 3)])
    assert figure.axes[0].get_subplotspec().get_gridspec().nrows == rows


def test_layers_without_a_map_say_why():
    figure = draw(recording(neck=dict(type='DABottleneck', channels=8, dim='channel')))
    assert any('no position looks' in text.get_text() for ax in figure.axes for text in ax.texts)

"""What is drawn of the attention layers, and where."""

import numpy as np
import pytest
import torch
from mmseg.registry import MODELS

from mmseg_attn.visualization.attention_picture import draw_attention
from mmseg_attn.visualization.attention_recording import record
from mmseg_attn.visualization.attention_style import HEAT, digits, words

CLASSES = ['cell', 'gap', 'rest']


def recording(neck=None, head='UNetHead', size=(32, 48), **kwargs):
    """An image of half the size of the input."""
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


def named(figure, name):
    """The panels of a layer."""
    return [ax for ax in figure.axes if name in [text.get_text() for text in ax.texts]]


def heat(ax):
    """The values that are laid over the image."""
    *_, drawn = ax.get_images()
    assert drawn.get_cmap() is HEAT
    return drawn


def frame(ax):
    """Left, right, top and bottom of the frame that lies on top."""
    box = ax.patches[-1].get_bbox()
    return box.x0, box.x1, box.y0, box.y1


def legend(figure):
    (found,) = figure.legends
    return ' '.join(text.get_text().replace('\n', ' ') for text in found.get_texts())


def test_local_windows_are_drawn_where_they_lie_and_enlarged():
    found = recording(head='LFAHead', window_size=3)
    figure = draw(found, [(5, 9), (22, 15)])
    first, last = titled(figure, 'Point')
    assert first.get_title() == 'Point 1: x = 5, y = 9'
    assert first.get_xlabel().endswith(f'\n{CLASSES[found.label(5, 9)]}')
    coarse, fine = titled(figure, 'LFA at 1/2 of the size'), titled(figure, 'LFA at full size')
    # Positions: (9, 5) at stride 2, which is one pixel of the image; (18, 10) at stride 1.
    assert frame(coarse[0]) == (3, 6, 9, 12)
    assert frame(fine[0]) == (4.5, 6, 9, 10.5)
    assert frame(coarse[1]) == (21, 24, 15, 16)  # cut off by the border of the image
    assert coarse[0].get_xlabel().startswith('window of 3 x 3 positions = 3 x 3 pixels\n')
    assert coarse[1].get_xlabel().startswith('window of 3 x 1 positions = 3 x 1 pixels\n')
    # Around the window, half as much again on every side.
    assert [ax.get_xlim() for ax in (coarse[0], fine[0])] == [(1.5, 7.5), (3.75, 6.75)]
    assert [ax.get_ylim() for ax in (coarse[0], fine[0])] == [(13.5, 7.5), (11.25, 8.25)]
    for query, index in ((first, 0), (last, 1)):  # both windows on the whole image, too
        drawn = [(frame.get_bbox().x0, frame.get_edgecolor()) for frame in query.patches]
        boxes = [ax[index].patches[-1] for ax in (coarse, fine)]
        assert drawn == [(box.get_bbox().x0, box.get_edgecolor()) for box in boxes]
        assert len({color for _, color in drawn}) == 2
    assert 'fixed tiles' in legend(figure)


def test_a_local_window_shows_the_weights_of_the_layer():
    found = recording(head='LFAHead', window_size=3)
    (ax,) = titled(draw(found), 'LFA at 1/2')
    call = found.calls[0]
    weights = call.layer.attention_map(*call.inputs, point=(9, 5)).detach()
    np.testing.assert_allclose(heat(ax).get_array(), 100 * weights[0, 0, 9:12, 3:6], rtol=1e-5)
    assert heat(ax).get_extent() == [3, 6, 12, 9]


def test_outside_of_its_window_the_image_is_pale():
    (ax,) = titled(draw(recording(head='LFAHead', window_size=3)), 'LFA at 1/2')
    pale, clear, _ = ax.get_images()
    assert pale.get_alpha() < 0.5
    assert clear.get_alpha() == 1
    clip = clear.get_clip_box()
    corners = ax.transData.transform([(3, 12), (6, 9)])
    np.testing.assert_allclose(clip.get_points(), corners)


def test_the_shown_weights_are_percentages():
    found = recording(neck=dict(type='DABottleneck', channels=8))
    (ax,) = named(draw(found), 'neck.attention')
    assert ax.get_title() == 'DA block at 1/4 of the size'
    assert heat(ax).get_extent() == [0, 24, 16, 0] == list(ax.get_images()[0].get_extent())
    weights = found.calls[0].layer.attention_map(*found.calls[0].inputs, point=(4, 2)).detach()
    np.testing.assert_allclose(heat(ax).get_array(), 100 * weights[0, 0], rtol=1e-5)
    assert heat(ax).get_clim() == (0, heat(ax).get_array().max())
    caption = 'all 12 x 8 positions of 2 x 2 pixels\nlargest weight {:.2g} %, uniform 1 %'
    assert ax.get_xlabel() == caption.format(100 * weights.max())


def test_colors_grow_with_the_weight_and_never_hide_the_image():
    opacity = HEAT(np.linspace(0, 1, 5))[:, 3]
    assert opacity[0] == 0
    assert (np.diff(opacity) > 0).all()
    assert opacity[-1] < 1


def test_images_below_colors_are_gray_and_only_whole_images_have_scales():
    found = recording(neck=dict(type='DABottleneck', channels=8))
    found.image = np.random.default_rng(0).integers(0, 256, (*found.image.shape, 3), np.uint8)
    figure = draw(found)
    (query,), (ax,) = titled(figure, 'Point'), named(figure, 'neck.attention')
    assert query.get_images()[0].get_array().shape == (16, 24, 3)
    assert ax.get_images()[0].get_array().shape == (16, 24)
    assert len(query.get_xticks())
    assert len(ax.get_xticks()) == 0


def test_weights_of_positions_and_of_channels():
    found = recording(neck=dict(type='CSAMSkip', in_channels=[8, 8, 8], reduction=1))
    figure = draw(found)
    assert not titled(figure, 'Point')
    assert len(titled(figure, 'CSAM at full size')) == len(titled(figure, 'CSAM at 1/2')) == 2
    maps, bars, strongest = named(figure, 'neck.attentions.0')
    layer, inputs = found.calls[0].layer, found.calls[0].inputs
    with torch.no_grad():
        spatial, channel = layer.spatial_weights(*inputs), layer.channel_weights(*inputs)
    np.testing.assert_allclose(heat(maps).get_array(), spatial[0, 0], rtol=1e-5)
    low, high = spatial.min(), spatial.max()
    assert maps.get_xlabel().startswith(f'weights from {low:.2g} to {high:.2g}')
    order = channel[0, :, 0, 0].argsort(descending=True)
    names = [label.get_text() for label in bars.get_yticklabels()]
    assert names[::-1] == [str(i.item()) for i in order]
    widths = [bar.get_width() for bar in bars.patches]
    np.testing.assert_allclose(widths[::-1], channel[0, order, 0, 0], rtol=1e-5)
    assert strongest.get_title() == f'Channel {order[0]}'
    expected = found.calls[0].output[0, order[0]]
    np.testing.assert_allclose(heat(strongest).get_array(), expected, rtol=1e-5)
    assert heat(strongest).get_clim() == pytest.approx(
        (expected.min().item(), expected.max().item())
    )


@pytest.mark.parametrize(
    ('largest', 'scale', 'told'), [(0.55, (0.45, 0.55), True), (0.7, (0.5, 0.7), False)]
)
def test_weights_that_are_nearly_the_same_look_like_it(largest, scale, told):
    found = recording(fusion=dict(type='AttentionGate'))
    weights = torch.linspace(0.5, largest, 16 * 24).view(1, 1, 16, 24)
    found.calls[0].layer.spatial_weights = lambda *_: weights
    (ax,) = named(draw(found), found.calls[0].name)
    assert heat(ax).get_clim() == pytest.approx(scale)
    assert ('nearly uniform' in ax.get_xlabel()) == told


def test_what_goes_up_is_what_channel_attention_weighs():
    found = recording(fusion=dict(type='ChannelAttentionConcatenation', reduction=1))
    (call, _), figure = found.calls, draw(found)
    with torch.no_grad():
        weights = call.layer.channel_weights(*call.inputs)
    channel = weights[0, :, 0, 0].argmax()
    ax = next(ax for ax in figure.axes if ax.get_title() == f'Channel {channel}')
    expected = (call.inputs[1] * weights)[0, channel]
    np.testing.assert_allclose(heat(ax).get_array(), expected, rtol=1e-5)


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
    said = [text.get_text().replace('\n', ' ') for ax in figure.axes for text in ax.texts]
    assert any('not drawn' in text and 'no attention map over positions' in text for text in said)


@pytest.mark.parametrize(
    ('kind', 'expected'),
    [
        ('LocalFeatureAggregation', 'LFA'),
        ('DABlock', 'DA block'),
        ('CSAM', 'CSAM'),
        ('GridAttentionGate', 'Grid attention gate'),
        ('my_layer2', 'my_layer2'),
    ],
)
def test_layers_in_words(kind, expected):
    assert words(kind) == expected


@pytest.mark.parametrize(
    ('value', 'expected'), [(12.34, '12'), (100, '100'), (0.01256, '0.013'), (3.0, '3'), (0, '0')]
)
def test_figures_have_two_digits(value, expected):
    assert digits(value) == expected

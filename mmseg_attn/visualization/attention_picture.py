"""Draw attention maps, and the weights of positions and channels, over the input image."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import attention_style as style
from .attention_points import draw_looks, draw_query, is_local
from .attention_recording import LayerCall, Recording
from .attention_weights import CHANNELS, draw_channels, draw_spatial

PANEL = 3.2  # width of a panel in inches
TEXT = 1.15  # inches above and below each panel
SIDES = 0.6, 1.6  # limits of the height of a panel, relative to its width
POINT = 'the query: the pixel whose attention weights are shown'
LOOKS = (
    'attention weights of the query: no color is 0, full color is the largest weight, which is '
    'given below each panel'
)
WINDOW = (
    'the window of a layer: in the same color on the whole image, in the previous panel and '
    'enlarged. Windows are fixed tiles of the feature map: the query attends only to its own '
    'window, not to the pale area around it, and need not be at its center'
)
WEIGHS = (
    'weights or values: no color is the smallest number below a panel, full color the largest one'
)
POSITIONS = 'a layer multiplies each position\nby a weight: 0 removes it, 1 keeps it'
ALL_CHANNELS = (
    'A layer multiplies each channel by a weight: 0 removes it, 1 keeps it. The bars show the '
    f'{CHANNELS} largest weights; the dashed line is the mean over all channels.'
)
STRONGEST = 'The output of the layer in the channel with the largest weight.'


def draw_attention(
    recording: Recording,
    points: Sequence[tuple[float, float]],
    *,
    title: str,
    classes: Sequence[str],
) -> Figure:
    """Draw a column per layer; a row per point, then the weights of positions and of channels.

    Args:
        recording: The image and the calls of the layers.
        points: Pixels (x, y) of the image, used as queries by the layers with an attention map.
        title: Title of the figure.
        classes: Names of the classes.

    Returns:
        The figure.
    """
    attending, spatial, channel = (
        [call for call in recording.calls if call.has(method)]
        for method in ('attention_map', 'spatial_weights', 'channel_weights')
    )
    rows = (len(points) if attending else 0) + bool(spatial) + 2 * bool(channel)
    columns = 1 + max(map(len, (attending, spatial, channel)))
    height, width = recording.image.shape[:2]
    aspect = 1 if any(map(is_local, attending)) else float(np.clip(height / width, *SIDES))
    size = (PANEL + 0.2) * columns, (PANEL * aspect + TEXT) * rows + 1.4
    figure = Figure(size, dpi=110, layout='constrained')
    figure.suptitle(title, fontsize=13, x=0.01, ha='left')
    axes = iter(figure.subplots(rows, columns, squeeze=False))
    with torch.no_grad():
        for number, point in enumerate(points if attending else (), start=1):
            first, *others = next(axes)
            draw_query(first, recording, attending, number, point, classes)
            for ax, call in zip(others, attending, strict=False):
                draw_looks(ax, recording, attending, call, point)
            _hide(others[len(attending) :])
        if spatial:
            first, *others = next(axes)
            style.show_with_scale(first, recording.image)
            style.say(first, 'Spatial weights', POSITIONS)
            for ax, call in zip(others, spatial, strict=False):
                draw_spatial(ax, recording, call)
            _hide(others[len(spatial) :])
        if channel:
            (first, *bars), (second, *strongest) = next(axes), next(axes)
            style.explain(first, 'Channel weights', ALL_CHANNELS)
            style.explain(second, 'Channel with the largest weight', STRONGEST)
            for above, below, call in zip(bars, strongest, channel, strict=False):
                draw_channels(above, below, recording, call)
            _hide([*bars[len(channel) :], *strongest[len(channel) :]])
    style.add_legend(figure, _legend(attending, bool(spatial or channel)))
    return figure


def _legend(attending: Sequence[LayerCall], weighing: bool) -> list[tuple[str, str]]:
    entries = [('point', POINT), ('heat', LOOKS)] if attending else []
    entries += [('window', WINDOW)] if any(map(is_local, attending)) else []
    return entries + ([('heat', WEIGHS)] if weighing else [])


def _hide(axes: Sequence[Axes]) -> None:
    for ax in axes:
        ax.axis('off')

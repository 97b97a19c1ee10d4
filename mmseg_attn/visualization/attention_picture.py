"""Draw where attention layers look, and what they weigh, over the picture that they saw."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import attention_style as style
from .attention_points import draw_looks, draw_query, is_local
from .attention_recording import LayerCall, Recording
from .attention_weights import CHANNELS, draw_channels, draw_spatial

PANEL = 3.2  # inches, the width of a picture
TEXT = 1.15  # inches above and below each picture
SIDES = 0.6, 1.6  # the least and the largest height of a panel for its width
POINT = 'the point that looks: the pixel that the model is about to label'
LOOKS = (
    'where it looks: no color is a share of 0, full color is the largest share, which stands '
    'below each panel'
)
WINDOW = (
    'the window of a layer: in the same color on the whole picture, in the panel before and '
    'enlarged. Windows are fixed tiles of the map: the point can look nowhere outside of its tile '
    '(pale), and need not lie in the middle of it'
)
WEIGHS = (
    'what counts: no color is the smaller of the numbers below a panel, full color the larger one'
)
PLACES = 'a layer multiplies every place\nby a weight: 0 removes it, 1 keeps it'
ALL_CHANNELS = (
    'A layer multiplies every channel by a weight: 0 removes it, 1 keeps it. Shown are the '
    f'{CHANNELS} with the largest weights; the dashed line is the mean of all.'
)
STRONGEST = 'The values of the channel with the largest weight, as they leave the layer.'


def draw_attention(
    recording: Recording,
    points: Sequence[tuple[float, float]],
    *,
    title: str,
    classes: Sequence[str],
) -> Figure:
    """Draw a column per layer; a row per point, then the weights of positions and of channels.

    Args:
        recording: The picture and the layers' calls.
        points: X and y of pixels of the picture, for the layers with an attention map.
        title: What stands above.
        classes: Names of the classes.
    """
    looking, spatial, channel = (
        [call for call in recording.calls if call.has(method)]
        for method in ('attention_map', 'spatial_weights', 'channel_weights')
    )
    rows = (len(points) if looking else 0) + bool(spatial) + 2 * bool(channel)
    columns = 1 + max(map(len, (looking, spatial, channel)))
    height, width = recording.image.shape[:2]
    aspect = 1 if any(map(is_local, looking)) else float(np.clip(height / width, *SIDES))
    size = (PANEL + 0.2) * columns, (PANEL * aspect + TEXT) * rows + 1.4
    figure = Figure(size, dpi=110, layout='constrained')
    figure.suptitle(title, fontsize=13, x=0.01, ha='left')
    axes = iter(figure.subplots(rows, columns, squeeze=False))
    with torch.no_grad():
        for number, point in enumerate(points if looking else (), start=1):
            first, *others = next(axes)
            draw_query(first, recording, looking, number, point, classes)
            for ax, call in zip(others, looking, strict=False):
                draw_looks(ax, recording, looking, call, point)
            _hide(others[len(looking) :])
        if spatial:
            first, *others = next(axes)
            style.show_with_scale(first, recording.image)
            style.say(first, 'How much each place counts', PLACES)
            for ax, call in zip(others, spatial, strict=False):
                draw_spatial(ax, recording, call)
            _hide(others[len(spatial) :])
        if channel:
            (first, *bars), (second, *strongest) = next(axes), next(axes)
            style.explain(first, 'How much each channel counts', ALL_CHANNELS)
            style.explain(second, 'Where the strongest is active', STRONGEST)
            for above, below, call in zip(bars, strongest, channel, strict=False):
                draw_channels(above, below, recording, call)
            _hide([*bars[len(channel) :], *strongest[len(channel) :]])
    style.add_legend(figure, _legend(looking, bool(spatial or channel)))
    return figure


def _legend(looking: Sequence[LayerCall], weighing: bool) -> list[tuple[str, str]]:
    entries = [('point', POINT), ('heat', LOOKS)] if looking else []
    entries += [('window', WINDOW)] if any(map(is_local, looking)) else []
    return entries + ([('heat', WEIGHS)] if weighing else [])


def _hide(axes: Sequence[Axes]) -> None:
    for ax in axes:
        ax.axis('off')

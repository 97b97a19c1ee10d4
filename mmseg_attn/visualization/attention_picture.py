"""Draw where attention layers look, and what they weigh, over the picture that they saw."""

from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from mmseg_attn.ops import window_at

from .attention_recording import LayerCall, Recording

PANEL = 3.4  # inches
CHANNELS = 8  # the strongest ones that are named
COLOURS = ('tab:cyan', 'tab:orange', 'tab:green', 'tab:pink', 'tab:olive', 'tab:purple')


def draw_attention(
    recording: Recording,
    points: Sequence[tuple[float, float]],
    *,
    title: str,
    classes: Sequence[str],
) -> Figure:
    """Draw a column per layer; a row per point, then the weights of positions and of channels.

    Args:
        recording: the picture and the layers' calls.
        points: x and y of pixels of the picture, for the layers with an attention map.
        title: what stands above.
        classes: names of the classes.
    """
    looking, spatial, channel = (
        [call for call in recording.calls if call.has(method)]
        for method in ('attention_map', 'spatial_weights', 'channel_weights')
    )
    rows = (len(points) if looking else 0) + bool(spatial) + 2 * bool(channel)
    columns = 1 + max(map(len, (looking, spatial, channel)))
    figure = Figure((PANEL * columns, PANEL * rows + 0.8), dpi=110, layout='constrained')
    figure.suptitle(f'{title}\n{_legend(looking)}'.strip(), fontsize=12)
    axes = iter(figure.subplots(rows, columns, squeeze=False))
    with torch.no_grad():
        for number, point in enumerate(points if looking else (), start=1):
            first, *others = next(axes)
            _query(first, recording, looking, number, point, classes)
            for index, (ax, call) in enumerate(zip(others, looking, strict=False)):
                _attention(ax, recording, call, point, COLOURS[index % len(COLOURS)])
            _hide(others[len(looking) :])
        if spatial:
            first, *others = next(axes)
            _show(first, recording, 'How much each position counts\n(1: all, 0: nothing)')
            for ax, call in zip(others, spatial, strict=False):
                _spatial(ax, recording, call)
            _hide(others[len(spatial) :])
        if channel:
            (first, *bars), (second, *strongest) = next(axes), next(axes)
            _say(first, f'The {CHANNELS} channels\nthat count most')
            _say(second, 'The strongest channel,\nas it goes on')
            for above, below, call in zip(bars, strongest, channel, strict=False):
                _channels(above, below, recording, call)
            _hide([*bars[len(channel) :], *strongest[len(channel) :]])
    return figure


def _legend(calls: Sequence[LayerCall]) -> str:
    if not calls:
        return ''
    frame = '; frame: the window that it can look at' if any(map(_is_local, calls)) else ''
    return f'red circle: the point that looks{frame}; bright: where it looks'


def _show(ax: Axes, recording: Recording, title: str) -> None:
    height, width = recording.image.shape[:2]
    ax.imshow(recording.image, cmap='gray', extent=(0, width, height, 0))
    ax.set_title(title, fontsize=9)
    ax.set_xlabel('pixels', fontsize=7)
    ax.tick_params(labelsize=7)


def _hide(axes: Sequence[Axes]) -> None:
    for ax in axes:
        ax.axis('off')


def _say(ax: Axes, text: str) -> None:
    ax.axis('off')
    ax.text(0.5, 0.5, text, ha='center', va='center', fontsize=10)


def _mark(ax: Axes, point: tuple[float, float]) -> None:
    x, y = point[0] + 0.5, point[1] + 0.5  # the middle of the pixel
    ax.plot(x, y, 'o', ms=11, mfc='none', mec='black', mew=3)
    ax.plot(x, y, 'o', ms=11, mfc='none', mec='red', mew=1.5)


def _frame(ax: Axes, box: tuple[float, float, float, float], colour: str) -> None:
    left, right, top, bottom = box
    for edge, width in (('black', 3.5), (colour, 2)):
        ax.add_patch(
            Rectangle((left, top), right - left, bottom - top, fill=False, ec=edge, lw=width)
        )


def _window(
    recording: Recording, call: LayerCall, point: tuple[float, float]
) -> tuple[slice, slice]:
    """Rows and columns of the positions that the point can look at."""
    size = getattr(call.layer, 'window_size', None)
    return window_at(recording.grid(call).position(*point), size)


def _is_local(call: LayerCall) -> bool:
    return getattr(call.layer, 'window_size', None) is not None


def _query(
    ax: Axes,
    recording: Recording,
    calls: Sequence[LayerCall],
    number: int,
    point: tuple[float, float],
    classes: Sequence[str],
) -> None:
    """The picture, the point that asks and the windows that it lies in."""
    name = classes[recording.label(*point)]
    _show(ax, recording, f'Point {number}: x={point[0]:g}, y={point[1]:g}\npredicted: {name}')
    for index, call in enumerate(calls):
        if _is_local(call):
            box = recording.grid(call).box(*_window(recording, call, point))
            _frame(ax, box, COLOURS[index % len(COLOURS)])
    _mark(ax, point)


def _name(recording: Recording, call: LayerCall) -> str:
    kind, step = type(call.layer).__name__, recording.grid(call).stride
    return f'{kind}, stride {step:g}\n{call.name}'


def _overlay(
    ax: Axes,
    recording: Recording,
    call: LayerCall,
    values: Tensor,
    *,
    label: str,
    alpha: float = 0.6,
    vmin: float | None = None,
    part: tuple[slice, slice] = (slice(None), slice(None)),
) -> None:
    """Lay a part of a map ``(1, 1, H, W)`` over the picture, with its scale beside it."""
    left, right, top, bottom = recording.grid(call).box(*part)
    heat = ax.imshow(
        values[0, 0][part].float().cpu().numpy(),
        cmap='inferno',
        vmin=vmin,
        alpha=alpha,
        extent=(left, right, bottom, top),
        interpolation='nearest',
    )
    bar = ax.figure.colorbar(heat, ax=ax, fraction=0.046, pad=0.03)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    height, width = recording.image.shape[:2]
    ax.set(xlim=(0, width), ylim=(height, 0))


def _attention(
    ax: Axes, recording: Recording, call: LayerCall, point: tuple[float, float], colour: str
) -> None:
    """Where the point looks; a local window is enlarged, with one window's width around it."""
    position = recording.grid(call).position(*point)
    try:
        weights = call.layer.attention_map(*call.inputs, point=position)
    except ValueError as error:
        _say(ax, f'{_name(recording, call)}\n\nnot drawn:\n{error}')
        return
    window = _window(recording, call, point)
    seen = weights[0, 0][window]
    rows, columns = seen.shape
    kind = f'window of {columns} x {rows}' if _is_local(call) else f'all {rows} x {columns}'
    _show(ax, recording, f'{_name(recording, call)}, {kind}')
    label = f'share of the attention, % (if even: {100 / seen.numel():.2g} %)'
    _overlay(ax, recording, call, 100 * weights, label=label, vmin=0, part=window)
    if _is_local(call):
        box = left, right, top, bottom = recording.grid(call).box(*window)
        margin = max(right - left, bottom - top)
        height, width = recording.image.shape[:2]
        ax.set(
            xlim=(max(left - margin, 0), min(right + margin, width)),
            ylim=(min(bottom + margin, height), max(top - margin, 0)),
        )
        _frame(ax, box, colour)
    _mark(ax, point)


def _spatial(ax: Axes, recording: Recording, call: LayerCall) -> None:
    _show(ax, recording, _name(recording, call))
    weights = call.layer.spatial_weights(*call.inputs)
    _overlay(ax, recording, call, weights, label='weight of the position, 0 to 1')


def _channels(above: Axes, below: Axes, recording: Recording, call: LayerCall) -> None:
    """Bars for the largest channel weights; the first one's map after it was weighed."""
    weights = call.layer.channel_weights(*call.inputs)[0, :, 0, 0].float().cpu()
    order = weights.argsort(descending=True)[:CHANNELS]
    names = [str(index.item()) for index in order]
    above.barh(names[::-1], weights[order].flip(0).tolist(), color='tab:orange')
    mean = weights.mean().item()
    above.axvline(mean, color='black', ls='--', lw=1, label=f'mean of all {len(weights)}')
    above.legend(fontsize=7, loc='lower right')
    above.set(xlim=(0, 1), xlabel='weight of the channel, 0 to 1', ylabel='channel')
    above.set_title(_name(recording, call), fontsize=9)
    above.tick_params(labelsize=7)
    weighed = call.output[:, -len(weights) :][:, order[:1]]  # what a layer weighs comes last
    _show(below, recording, f'channel {names[0]}')
    _overlay(below, recording, call, weighed, alpha=1, label='value')

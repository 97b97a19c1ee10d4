"""Draw the attention map of a query pixel: a panel for the image, and one for each layer."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from mmseg_attn.ops import window_at

from . import attention_style as style
from .attention_recording import LayerCall, Recording


def is_local(call: LayerCall) -> bool:
    """Tell whether a layer attends inside local windows."""
    return getattr(call.layer, 'window_size', None) is not None


def draw_query(
    ax: Axes,
    recording: Recording,
    calls: Sequence[LayerCall],
    number: int,
    point: tuple[float, float],
    classes: Sequence[str],
) -> None:
    """Draw the image, the query pixel and its windows."""
    style.show_with_scale(ax, recording.image)
    name = classes[recording.label(*point)]
    heading = f'Point {number}: x = {point[0]:g}, y = {point[1]:g}'
    style.say(ax, heading, f'prediction at this pixel:\n{name}')
    for call in filter(is_local, calls):
        _frame(ax, recording, calls, call, point)
    style.mark(ax, point)


def draw_looks(
    ax: Axes,
    recording: Recording,
    calls: Sequence[LayerCall],
    call: LayerCall,
    point: tuple[float, float],
) -> None:
    """Draw the attention weights of a pixel; enlarge a local window, with the next one framed."""
    grid = recording.grid(call)
    heading = style.heading(type(call.layer).__name__, grid.stride)
    try:
        weights = call.layer.attention_map(*call.inputs, point=grid.position(*point))
    except ValueError as error:
        style.explain(ax, heading, f'not drawn: {error}')
        return
    window = _window(recording, call, point)
    box = left, right, top, bottom = grid.box(*window)
    percents = 100 * weights[0, 0][window].float().cpu().numpy()
    rows, columns = percents.shape
    image = style.gray(recording.image)
    if is_local(call):
        style.enlarge(ax, image, box)
        kind = f'window of {columns} x {rows} positions'
        kind += f' = {right - left:.3g} x {bottom - top:.3g} pixels'
    else:
        style.show(ax, image)
        kind = f'all {columns} x {rows} positions of {grid.width:.3g} x {grid.height:.3g} pixels'
    style.heat(ax, percents, box, lowest=0)
    largest, even = style.digits(percents.max()), style.digits(100 / percents.size)
    style.say(ax, heading, f'{kind}\nlargest weight {largest} %, uniform {even} %', call.name)
    if is_local(call):
        local = list(filter(is_local, calls))
        after = [other.name for other in local].index(call.name) + 1
        for framed in (*local[after : after + 1], call):
            _frame(ax, recording, calls, framed, point)
    style.mark(ax, point)


def _window(
    recording: Recording, call: LayerCall, point: tuple[float, float]
) -> tuple[slice, slice]:
    """Return rows and columns of the positions that the point attends to."""
    size = getattr(call.layer, 'window_size', None)
    return window_at(recording.grid(call).position(*point), size)


def _frame(
    ax: Axes,
    recording: Recording,
    calls: Sequence[LayerCall],
    call: LayerCall,
    point: tuple[float, float],
) -> None:
    """Draw the window of a layer as a frame in its color."""
    index = [other.name for other in calls].index(call.name)
    box = recording.grid(call).box(*_window(recording, call, point))
    style.frame(ax, box, style.FRAMES[index % len(style.FRAMES)])

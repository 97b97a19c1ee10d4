"""Where a point of the picture looks: a panel for the picture, and one for each layer."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from mmseg_attn.ops import window_at

from . import attention_style as style
from .attention_recording import LayerCall, Recording


def is_local(call: LayerCall) -> bool:
    """Tell whether a layer's positions look into windows."""
    return getattr(call.layer, 'window_size', None) is not None


def draw_query(
    ax: Axes,
    recording: Recording,
    calls: Sequence[LayerCall],
    number: int,
    point: tuple[float, float],
    classes: Sequence[str],
) -> None:
    """The picture, the point that asks and the windows that it lies in."""
    style.show_with_scale(ax, recording.image)
    name = classes[recording.label(*point)]
    heading = f'Point {number}: x = {point[0]:g}, y = {point[1]:g}'
    style.say(ax, heading, f'pixels; predicted at the point:\n{name}')
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
    """Where the point looks; a local window is enlarged, with the next layer's framed in it."""
    grid = recording.grid(call)
    heading = style.heading(type(call.layer).__name__, grid.stride)
    try:
        weights = call.layer.attention_map(*call.inputs, point=grid.position(*point))
    except ValueError as error:
        style.explain(ax, heading, f'not drawn: {error}')
        return
    window = _window(recording, call, point)
    box = left, right, top, bottom = grid.box(*window)
    shares = 100 * weights[0, 0][window].float().cpu().numpy()
    rows, columns = shares.shape
    image = style.gray(recording.image)
    if is_local(call):
        style.enlarge(ax, image, box)
        kind = f'window of {columns} x {rows} places'
        kind += f' = {right - left:.3g} x {bottom - top:.3g} pixels'
    else:
        style.show(ax, image)
        kind = f'all {columns} x {rows} places of {grid.width:.3g} x {grid.height:.3g} pixels'
    style.heat(ax, shares, box, lowest=0)
    largest, even = style.digits(shares.max()), style.digits(100 / shares.size)
    style.say(ax, heading, f'{kind}\nlargest share {largest} %, an even one is {even} %', call.name)
    if is_local(call):
        local = list(filter(is_local, calls))
        after = [each.name for each in local].index(call.name) + 1
        for each in (*local[after : after + 1], call):
            _frame(ax, recording, calls, each, point)
    style.mark(ax, point)


def _window(
    recording: Recording, call: LayerCall, point: tuple[float, float]
) -> tuple[slice, slice]:
    """Rows and columns of the positions that the point can look at."""
    size = getattr(call.layer, 'window_size', None)
    return window_at(recording.grid(call).position(*point), size)


def _frame(
    ax: Axes,
    recording: Recording,
    calls: Sequence[LayerCall],
    call: LayerCall,
    point: tuple[float, float],
) -> None:
    """Frame the window of one of the layers in its color."""
    index = [each.name for each in calls].index(call.name)
    box = recording.grid(call).box(*_window(recording, call, point))
    style.frame(ax, box, style.FRAMES[index % len(style.FRAMES)])

"""What layers weigh: how much places and channels count."""

from matplotlib.axes import Axes

from . import attention_style as style
from .attention_recording import LayerCall, Recording

CHANNELS = 8  # the strongest ones that are named
LEAST = 0.1  # of the weights' range, 0 to 1, that the colors span: noise shall look even


def draw_spatial(ax: Axes, recording: Recording, call: LayerCall) -> None:
    """How much each position counts."""
    weights = call.layer.spatial_weights(*call.inputs)[0, 0].float().cpu().numpy()
    low, high = weights.min(), weights.max()
    style.show(ax, style.gray(recording.image))
    style.heat(
        ax, weights, recording.grid(call).box(slice(None), slice(None)), min(low, high - LEAST)
    )
    caption = f'weights from {style.digits(low)} to {style.digits(high)}'
    caption += '\nnearly the same everywhere' if high - low < LEAST else ''
    style.say(
        ax,
        style.heading(type(call.layer).__name__, recording.grid(call).stride),
        caption,
        call.name,
    )


def draw_channels(above: Axes, below: Axes, recording: Recording, call: LayerCall) -> None:
    """Bars for the largest channel weights; the first one's map after it was weighed."""
    weights = call.layer.channel_weights(*call.inputs)[0, :, 0, 0].float().cpu()
    order = weights.argsort(descending=True)[:CHANNELS]
    names = [str(index.item()) for index in order]
    above.barh(names[::-1], weights[order].flip(0).tolist(), color='0.6')
    above.patches[-1].set_color(style.HOT)
    above.axvline(weights.mean().item(), color='black', ls='--', lw=1)
    above.set(xlim=(0, 1), ylabel='channel', box_aspect=0.8)
    above.tick_params(labelsize=8)
    caption = f'weight; mean of all {len(weights)}: {style.digits(weights.mean().item())}'
    grid = recording.grid(call)
    heading = style.heading(type(call.layer).__name__, grid.stride)
    style.say(above, heading, caption, call.name)
    weighed = call.output[0, -len(weights) :][order[0]]  # what a layer weighs comes last
    values = weighed.float().cpu().numpy()
    low, high = values.min(), values.max()
    style.show(below, style.gray(recording.image))
    style.heat(below, values, grid.box(slice(None), slice(None)), low)
    caption = f'values from {style.digits(low)} to {style.digits(high)}'
    style.say(below, f'Channel {names[0]}', caption, call.name)

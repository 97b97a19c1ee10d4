"""Draw the spatial weights and the channel weights of attention layers."""

from matplotlib.axes import Axes

from . import attention_style as style
from .attention_recording import LayerCall, Recording

CHANNELS = 8  # number of channels with the largest weights
LEAST = 0.1  # smallest range of weights that the colors span, so that noise looks uniform


def draw_spatial(ax: Axes, recording: Recording, call: LayerCall) -> None:
    """Draw the weight of each position."""
    weights = call.layer.spatial_weights(*call.inputs)[0, 0].float().cpu().numpy()
    low, high = weights.min(), weights.max()
    style.show(ax, style.gray(recording.image))
    style.heat(
        ax, weights, recording.grid(call).box(slice(None), slice(None)), min(low, high - LEAST)
    )
    caption = f'weights from {style.digits(low)} to {style.digits(high)}'
    caption += '\nnearly uniform' if high - low < LEAST else ''
    style.say(
        ax,
        style.heading(type(call.layer).__name__, recording.grid(call).stride),
        caption,
        call.name,
    )


def draw_channels(above: Axes, below: Axes, recording: Recording, call: LayerCall) -> None:
    """Draw bars for the largest channel weights, and the weighted map of the largest one."""
    weights = call.layer.channel_weights(*call.inputs)[0, :, 0, 0].float().cpu()
    order = weights.argsort(descending=True)[:CHANNELS]
    names = [str(index.item()) for index in order]
    above.barh(names[::-1], weights[order].flip(0).tolist(), color='0.6')
    above.patches[-1].set_color(style.HOT)
    above.axvline(weights.mean().item(), color='black', ls='--', lw=1)
    above.set(xlim=(0, 1), ylabel='channel', box_aspect=0.8)
    above.tick_params(labelsize=8)
    caption = f'weight; mean over {len(weights)} channels: {style.digits(weights.mean().item())}'
    grid = recording.grid(call)
    heading = style.heading(type(call.layer).__name__, grid.stride)
    style.say(above, heading, caption, call.name)
    weighed = call.output[0, -len(weights) :][order[0]]  # the weighted channels come last
    values = weighed.float().cpu().numpy()
    low, high = values.min(), values.max()
    style.show(below, style.gray(recording.image))
    style.heat(below, values, grid.box(slice(None), slice(None)), low)
    caption = f'values from {style.digits(low)} to {style.digits(high)}'
    style.say(below, f'Channel {names[0]}', caption, call.name)

"""Style the attention figures: a gray image, a heat map on it, markers and a legend."""

import re
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

HOT = '#ff3000'
OPAQUE = 0.8  # opacity of the largest value, so that the image stays visible
HEAT = LinearSegmentedColormap.from_list('heat', [to_rgba(HOT, 0), to_rgba(HOT, OPAQUE)])
FRAMES = (
    '#f0e442',
    '#56b4e9',
    '#009e73',
    '#cc79a7',
)  # from Okabe and Ito's palette, without colors similar to HOT
PALE = 0.3  # opacity outside the window
LUMINANCE = 0.299, 0.587, 0.114
CHARACTERS = 13  # characters of the legend per inch
LAYERS = dict(LocalFeatureAggregation='LFA')  # layers with another name than their class

RING: dict[str, Any] = dict(
    marker='o',
    ms=12,
    mfc='none',
    mec='white',
    mew=2,
    ls='',
    path_effects=[withStroke(linewidth=4.5, foreground='black')],
)

Box = tuple[float, float, float, float]  # left, right, top and bottom, in pixels


def words(kind: str) -> str:
    """Convert the name of a class to words: ``DABlock`` becomes 'DA block'."""
    if kind in LAYERS:
        return LAYERS[kind]
    first, *others = re.findall(r'[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9_]+', kind)
    return ' '.join([first, *(word if word.isupper() else word.lower() for word in others)])


def heading(kind: str, step: float) -> str:
    """Return a heading with the layer's name and the size of its map.

    Args:
        kind: Name of the layer's class.
        step: Stride of the map in pixels of the model's input.
    """
    size = 'full size' if step == 1 else f'1/{step:.3g} of the size'
    return f'{words(kind)} at {size}'


def digits(value: float) -> str:
    """Format a value with at most two significant digits."""
    return f'{float(f"{value:.2g}"):g}'


def gray(image: np.ndarray) -> np.ndarray:
    """Convert an image ``(H, W)`` or, in RGB, ``(H, W, 3)`` to gray ``(H, W)``."""
    return image if image.ndim == 2 else image @ np.array(LUMINANCE)


def show(ax: Axes, image: np.ndarray, alpha: float = 1.0) -> AxesImage:
    """Show an image in gray or in its colors, without ticks."""
    height, width = image.shape[:2]
    ax.set(xticks=[], yticks=[])
    return ax.imshow(image, cmap='gray', extent=(0, width, height, 0), alpha=alpha)


def say(ax: Axes, heading: str, caption: str, name: str = '') -> None:
    """Write heading and layer name above a panel, and a caption below it."""
    ax.set_title(heading, fontsize=10.5, fontweight='bold', pad=16)
    ax.set_xlabel(caption, fontsize=9.5)
    options: dict[str, Any] = dict(
        xycoords='axes fraction', textcoords='offset points', ha='center', va='bottom'
    )
    ax.annotate(name, (0.5, 1), xytext=(0, 4), color='0.45', fontsize=8, **options)


def show_with_scale(ax: Axes, image: np.ndarray) -> None:
    """Show a whole image in its colors, with ticks in pixels."""
    show(ax, image)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True))
    ax.tick_params(labelsize=8)


def explain(ax: Axes, heading: str, text: str) -> None:
    """Fill a panel with a heading and text."""
    ax.axis('off')
    ax.text(0.5, 0.55, heading, ha='center', va='bottom', fontsize=10.5, fontweight='bold')
    ax.text(0.5, 0.5, textwrap.fill(text, 34), ha='center', va='top', fontsize=9.5)


def heat(ax: Axes, values: np.ndarray, box: Box, lowest: float) -> None:
    """Draw a heat map ``(H, W)``, transparent at ``lowest`` and below, opaque at its maximum."""
    left, right, top, bottom = box
    limits = ax.get_xlim(), ax.get_ylim()
    ax.imshow(
        values,
        cmap=HEAT,
        vmin=lowest,
        vmax=values.max(),
        extent=(left, right, bottom, top),
        interpolation='nearest',
    )
    ax.set(xlim=limits[0], ylim=limits[1])


def mark(ax: Axes, point: tuple[float, float]) -> None:
    """Draw a ring around a pixel."""
    ax.plot(point[0] + 0.5, point[1] + 0.5, **RING)


def frame(ax: Axes, box: Box, color: str) -> None:
    """Draw a frame that is visible on any background."""
    edge: dict[str, Any] = dict(
        fill=False, ec=color, lw=2.2, path_effects=[withStroke(linewidth=4.5, foreground='black')]
    )
    ax.add_patch(Rectangle(*_corner_and_sides(box), **edge))


def enlarge(ax: Axes, image: np.ndarray, box: Box) -> None:
    """Show a part of an image enlarged, with a pale margin of half its size on every side."""
    left, right, top, bottom = box
    show(ax, image, PALE)
    clear = Rectangle(*_corner_and_sides(box), transform=ax.transData)
    show(ax, image).set_clip_path(clear)
    side = max(right - left, bottom - top)
    x, y = (left + right) / 2, (top + bottom) / 2
    ax.set(xlim=(x - side, x + side), ylim=(y + side, y - side))


def add_legend(fig: Figure, entries: Sequence[tuple[str, str]]) -> None:
    """Add a legend below a figure.

    Args:
        fig: The figure.
        entries: Pairs of a marker ('point', 'heat' or 'window') and its meaning.
    """
    characters = int(CHARACTERS * fig.get_figwidth()) - 10
    handles: list[Any] = [_handle(kind) for kind, _ in entries]  # a tuple is drawn as one
    fig.legend(
        handles,
        [textwrap.fill(text, characters) for _, text in entries],
        loc='outside lower left',
        handler_map={tuple: HandlerTuple(ndivide=None, pad=0)},
        handlelength=5,
        labelspacing=0.9,
        fontsize=10,
        frameon=False,
    )


def _handle(kind: str) -> Artist | tuple[Artist, ...]:
    if kind == 'point':
        return Line2D([], [], **RING)
    if kind == 'heat':
        opacities = np.linspace(0, OPAQUE, 12)
        hot, ground = np.array(to_rgb(HOT)), np.full(3, 0.6)
        return tuple(Patch(color=opacity * hot + (1 - opacity) * ground) for opacity in opacities)
    return tuple(Patch(fill=False, ec=color, lw=2.5) for color in FRAMES)


def _corner_and_sides(box: Box) -> tuple[tuple[float, float], float, float]:
    left, right, top, bottom = box
    return (left, top), right - left, bottom - top

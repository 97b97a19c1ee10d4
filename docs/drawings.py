"""Draw where the part of each paper sits in its network, into docs/images/models.

    python docs/drawings.py

Channels and strides are read from the configs.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from mmengine.config import Config
from mmseg.registry import MODELS

import mmseg_attn  # noqa: F401  registers the parts

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / 'docs/images/models'

BLUE, GREEN, GRAY, ORANGE, INK = '#dbe9f6', '#dff0d8', '#f2f2f2', '#ffb84d', '#333333'
ROW, HEIGHT = 1.5, 0.84  # distance of the levels; height of a box
ENCODER, MIDDLE, FUSION, DECODER = 0.0, 3.5, 7.0, 9.0  # centers of the columns
WIDTH, NARROW = 2.1, 1.9  # of a box; of a fusion, which touches its decoder box


class Drawing:
    """A U-shaped network: encoder on the left, decoder on the right, one row per level.

    Args:
        channels: of every level, finest first.
        images: channels of the images.
        fusion: what stands where skip and decoder meet; it is highlighted if ``part`` is the same.
        up: what leads up.
        part: name of the exchanged part, for the legend.
        decoder: channels of the decoder's levels; ``None`` means the encoder's.
        skips: levels with a fusion; ``None`` means all.
    """

    def __init__(
        self,
        channels: Sequence[int],
        *,
        images: int,
        fusion: str = 'concatenate',
        up: str = 'up-convolution',
        part: str = '',
        decoder: Sequence[int] | None = None,
        skips: Sequence[int] | None = None,
    ):
        self.deepest = len(channels) - 1
        self.skips = range(self.deepest) if skips is None else skips
        xlim = -2.75, DECODER + WIDTH / 2 + 0.1
        ylim = -(self.deepest + (0.85 if part else 0.4)) * ROW, 1.3
        size = [0.62 * (high - low) for low, high in (xlim, ylim)]
        self.figure = Figure(figsize=size, facecolor='white')
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1), xlim=xlim, ylim=ylim)
        self.axes.set_axis_off()
        for level, width in enumerate(channels):
            self.text(ENCODER - 1.2, level, f'stride {2**level}', align='right')
            self.box(ENCODER, level, f'{width} channels', BLUE)
            if level == self.deepest:
                break
            self.arrow((ENCODER, level, 'bottom'), (ENCODER, level + 1, 'top'))
            self.box(DECODER, level, f'{(decoder or channels)[level]} channels', GREEN)
            if level in self.skips:
                color = ORANGE if fusion == part else GRAY
                self.box(FUSION, level, fusion, color, width=NARROW)
            self.climb(level)
        self.text(ENCODER - 0.12, 0.5, 'max pooling', align='right')
        self.text(self.entry(0) - 0.12, 0.5, up, align='right')
        self.ends(images)
        if part:
            self.legend(part)

    def box(self, x: float, level: float, text: str, color: str, *, width: float = WIDTH) -> None:
        """A box with a text in it."""
        corner = x - width / 2, -level * ROW - HEIGHT / 2
        style = 'round,pad=0,rounding_size=0.12'
        self.axes.add_patch(
            FancyBboxPatch(corner, width, HEIGHT, boxstyle=style, fc=color, ec=INK, lw=1)
        )
        self.text(x, level, text)

    def text(self, x: float, level: float, text: str, *, align: str = 'center') -> None:
        self.axes.text(
            x, -level * ROW, text, ha=align, va='center', fontsize=11, color=INK, linespacing=1.1
        )

    def arrow(self, start: tuple, end: tuple) -> None:
        """An arrow between the sides of two boxes, or points ``(x, y)``."""
        points = [self.side(*place) if len(place) > 2 else place for place in (start, end)]
        line = dict(arrowstyle='-|>', mutation_scale=12, shrinkA=0, shrinkB=0, lw=1.3, color=INK)
        self.axes.add_patch(FancyArrowPatch(*points, **line))

    def side(self, x: float, level: float, side: str) -> tuple[float, float]:
        """The middle of a box's side."""
        dx, dy = dict(left=(-1, 0), right=(1, 0), top=(0, 1), bottom=(0, -1))[side]
        return x + dx * WIDTH / 2, -level * ROW + dy * HEIGHT / 2

    def entry(self, level: int) -> float:
        """Where the way up enters the decoder's box of a level."""
        return FUSION if level in self.skips else DECODER - WIDTH / 4

    def climb(self, level: int) -> None:
        """The way up into the decoder's box of a level."""
        x = self.entry(level)
        start = (x, level + 1, 'top') if level + 1 < self.deepest else (x, -self.deepest * ROW)
        self.arrow(start, (x, level, 'bottom'))

    def across(self, level: int, part: str = '') -> None:
        """The connection from encoder to decoder, through a part or straight."""
        x = FUSION - (NARROW / 2 if level < self.deepest else 0)
        end = x, -level * ROW
        start = (ENCODER, level, 'right')
        if part:
            self.box(MIDDLE, level, part, ORANGE)
            self.arrow(start, (MIDDLE, level, 'left'))
            start = (MIDDLE, level, 'right')
        if level < self.deepest:
            self.arrow(start, end)
        else:
            x, y = self.side(*start)
            self.axes.plot([x, end[0]], [y, y], color=INK, lw=1.3, solid_capstyle='projecting')

    def ends(self, images: int) -> None:
        """Image in, classes out."""
        top = HEIGHT / 2 + 0.45
        what = 'image, 1 channel' if images == 1 else f'image, {images} channels'
        self.text(ENCODER, -0.73, what)
        self.arrow((ENCODER, top), (ENCODER, 0, 'top'))
        self.text(DECODER, -0.73, 'logits')
        self.arrow((DECODER, 0, 'top'), (DECODER, top))

    def legend(self, part: str) -> None:
        level = self.deepest + 0.6
        corner = MIDDLE - 1.7, -level * ROW - 0.14
        self.axes.add_patch(
            FancyBboxPatch(corner, 0.4, 0.28, boxstyle='round,pad=0', fc=ORANGE, ec=INK, lw=1)
        )
        name = ' '.join(part.split())
        self.text(MIDDLE - 1.1, level, f'the exchanged part: {name}', align='left')


def unet(channels: Sequence[int], images: int) -> Drawing:
    drawing = Drawing(channels, images=images)
    for level in range(len(channels)):
        drawing.across(level)
    return drawing


def da_unet(channels: Sequence[int], images: int) -> Drawing:
    drawing = Drawing(channels, images=images, part='DA block')
    for level in range(len(channels) - 1):
        drawing.across(level)
    drawing.across(len(channels) - 1, 'DA block')
    return drawing


def on_skips(part: str) -> Callable[[Sequence[int], int], Drawing]:
    def draw(channels: Sequence[int], images: int) -> Drawing:
        drawing = Drawing(channels, images=images, part=part)
        for level in range(len(channels) - 1):
            drawing.across(level, part)
        drawing.across(len(channels) - 1)
        return drawing

    return draw


def lfa_unet(channels: Sequence[int], images: int) -> Drawing:
    drawing = Drawing(channels, images=images, part='LFA', fusion='LFA')
    for level in range(len(channels)):
        drawing.across(level)
    drawing.text(MIDDLE + 0.05, -0.15, 'query and residual')
    drawing.text(FUSION + 0.12, 0.5, 'key and value', align='left')
    return drawing


def msanet(channels: Sequence[int], images: int) -> Drawing:
    decoder = [channels[0], *channels[:-1]]  # a block's last convolution narrows for the next one
    drawing = Drawing(
        channels, images=images, part='MSAM', up='unpooling', decoder=decoder, skips=[1, 2]
    )
    for level in drawing.skips:
        drawing.across(level, 'MSAM')
        for finer in range(level):
            entry = MIDDLE - WIDTH / 2, -level * ROW + 0.14 * (level - finer)
            drawing.arrow((ENCODER, finer, 'right'), entry)
    drawing.arrow((ENCODER, drawing.deepest, 'right'), (FUSION, drawing.deepest, 'left'))
    drawing.box(FUSION, drawing.deepest, f'{decoder[-1]} channels', GREEN)
    return drawing


DRAWINGS = {
    'unet': (unet, 'unet/unet_1xb8-300e_floodnet-512x512'),
    'da_unet': (da_unet, 'da_unet/da-unet_1xb8-300e_floodnet-512x512'),
    'csam_resunet': (on_skips('CSAM'), 'csam_resunet/csam-resunet_1xb10-500e_knee-mri-512x512'),
    'hybrid_unet': (
        on_skips('hybrid\nattention'),
        'hybrid_unet/hybrid-unet_1xb16-100e_cityscapes-512x1024',
    ),
    'msanet': (msanet, 'msanet/msanet_1xb4-200e_voc2012-224x224'),
    'lfa_unet': (lfa_unet, 'lfa_unet/lfa-unet_1xb8-1500e_drosophila-256x256'),
}


def draw(name: str) -> Figure:
    """Draw a network.

    Args:
        name: one of ``DRAWINGS``.
    """
    make, config = DRAWINGS[name]
    backbone = Config.fromfile(ROOT / f'configs/{config}.py').model.backbone
    channels = MODELS.build(backbone).channels
    return make(channels, backbone.get('in_channels', 3)).figure


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--out', type=Path, default=OUT, help='folder; default: %(default)s')
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    matplotlib.rcParams['svg.hashsalt'] = 'mmseg_attn'
    for name in DRAWINGS:
        draw(name).savefig(args.out / f'{name}.svg', metadata=dict(Date=None))


if __name__ == '__main__':
    main()

"""Measure the attention layers for growing numbers of positions; print a table and plot it.

    python -m benchmarks.scaling [--plot FILE] [--json FILE]

All layers have the same number of channels; MSAM also fuses a map of twice the resolution. Before
the timing, the output of each layer on a small map is compared with that in float64. A layer is
left out at sizes where, extrapolated from the previous size, it would take longer than ``--limit``.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from benchmarks.attention_contenders import results, same_as
from benchmarks.harness import Contender, Row, compare
from benchmarks.report import Report, at_least, parser
from mmseg_attn.apps.cli import run_cli
from mmseg_attn.errors import DataError
from mmseg_attn.models import layers

SIDES = (64, 96, 128, 192, 256, 384, 512)
SMALL = 16  # side of the map for the check
PASSES = {'forward': 'forward', 'both': 'forward + backward'}


class Layer(NamedTuple):
    """Describe a layer, and the power of the number of positions by which its cost grows."""

    build: Callable[[int], nn.Module]
    slope: int
    inputs: int = 1  # number of input maps
    levels: bool = (
        False  # input is a list of maps, the first with half the channels and twice the resolution
    )


LAYERS = {
    'LFA, global': Layer(lambda c: layers.LocalFeatureAggregation(c, window_size=None), 2, 2),
    'DA': Layer(layers.DABlock, 2),
    'MSAM': Layer(lambda c: layers.MSAM((c // 2, c)), 2, levels=True),
    'LFA, 7x7': Layer(layers.LocalFeatureAggregation, 1, 2),
    'CSAM': Layer(layers.CSAM, 1),
    'hybrid': Layer(layers.HybridAttention, 1),
    'gate': Layer(layers.AttentionGate, 1, 2),
}
BASELINE = 'LFA, 7x7'


def maps(layer: Layer, channels: int, side: int) -> list[Tensor]:
    """Return the input maps, with the same values in every run."""
    random = torch.Generator().manual_seed(0)
    shapes = [(1, channels, side, side)] * layer.inputs
    if layer.levels:
        shapes.insert(0, (1, channels // 2, 2 * side, 2 * side))
    return [torch.randn(shape, generator=random) for shape in shapes]


def run(layer: Layer, module: nn.Module, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Compute the result and, if required, the gradients."""
    out = module(inputs) if layer.levels else module(*inputs)
    return results(out, (*inputs, *module.parameters()), out)


def verify(name: str, channels: int) -> None:
    """Compare a layer in float32 and float64 on a small map.

    Raises:
        DataError: If the two differ.
    """
    layer = LAYERS[name]
    module = seeded(layer, channels)
    inputs = [x.requires_grad_() for x in maps(layer, channels, SMALL)]
    single = run(layer, module, inputs)
    wide = [x.detach().double().requires_grad_() for x in inputs]
    double = run(layer, module.double(), wide)
    try:
        same_as([x.float() for x in double], 1e-3)(single)
    except ValueError as error:
        raise DataError(f'the result of {name} is wrong, so nothing is timed: {error}') from error


def seeded(layer: Layer, channels: int) -> nn.Module:
    """Build a layer with the same weights in every run."""
    torch.manual_seed(0)
    return layer.build(channels)


def contender(name: str, side: int, args: argparse.Namespace, left_out: str) -> Contender:
    """Return a layer at one size as a contender."""
    layer = LAYERS[name]

    def build() -> Callable[[], Any]:
        module = seeded(layer, args.channels).to(args.device)
        module.requires_grad_(args.passes == 'both')
        inputs = [x.to(args.device) for x in maps(layer, args.channels, side)]
        inputs = [x.requires_grad_(args.passes == 'both') for x in inputs]
        return lambda: run(layer, module, inputs)

    def check(result: tuple[Tensor, ...]) -> None:
        if result[0].shape[2:] != (side, side) or not all(x.isfinite().all() for x in result):
            raise ValueError('the result has another size, or values that are not finite')

    return Contender(name, build, check, left_out)


def too_long(layer: Layer, before: Row | None, growth: float, limit: float) -> str:
    """Return the reason for leaving out a layer at ``growth`` times as many positions, if any."""
    if before is None:
        return ''
    if before.note:
        return before.note
    seconds = before.median * growth**layer.slope
    return f'left out: about {seconds:.0f} s a call' if seconds > limit else ''


def slope(positions: Sequence[int], seconds: Sequence[float]) -> float | None:
    """Fit a power to the upper half of the sizes; ``None`` if fewer than two were measured."""
    upper = range(len(seconds) // 2 if len(seconds) > 3 else 0, len(seconds))
    if len(upper) < 2:
        return None
    x, y = (np.log([values[i] for i in upper]) for values in (positions, seconds))
    return float(np.polyfit(x, y, 1)[0])


def plot(measured: dict[str, tuple[list[int], list[float]]], title: str, file: Path) -> None:
    """Draw a line per layer, and the theoretical slopes above the slowest layers.

    Earlier lines and markers are larger, so that a line below another one stays visible.
    """
    figure = Figure(figsize=(7.5, 5), layout='constrained')
    axes = figure.subplots()
    starts: dict[int, tuple[list[int], float]] = {}  # the slowest layer of each slope
    for i, (name, (positions, seconds)) in enumerate(measured.items()):
        larger = (len(measured) - i) / len(measured)
        axes.loglog(
            positions,
            seconds,
            'osD^vPX'[i % 7] + '-',
            color=f'C{i}',
            label=name,
            lw=1.5 + 2.5 * larger**4,
            ms=5 + 6 * larger,
            mfc='none',
        )
        power = LAYERS[name].slope
        if power not in starts or seconds[0] > starts[power][1]:
            starts[power] = positions, seconds[0]
    for power, (positions, first) in sorted(starts.items(), reverse=True):
        ideal = [1.6 * first * (x / positions[0]) ** power for x in positions]
        axes.loglog(
            positions, ideal, ls=['--', ':'][power - 1], color='0.3', lw=1, label=f'slope {power}'
        )
    sides = [math.isqrt(x) for x in max((series[0] for series in measured.values()), key=len)]
    axes.set_xticks([x * x for x in sides], [f'{x}x{x}' for x in sides], rotation=45)
    axes.minorticks_off()
    axes.set_xlabel('positions')
    axes.set_ylabel('seconds')
    axes.set_title(title)
    axes.grid(color='0.9')
    figure.legend(loc='outside right center', frameon=False)
    figure.savefig(file, dpi=150)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument('--sides', type=at_least(1), nargs='+', default=SIDES, help='default: all')
    options.add_argument('--channels', type=at_least(2), default=64, help='default: %(default)s')
    options.add_argument('--passes', choices=PASSES, default='forward', help='default: %(default)s')
    options.add_argument('--limit', type=float, default=10, help='seconds; default: %(default)s')
    options.add_argument('--plot', type=Path, metavar='FILE', help='write the plot to FILE')
    return options.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    report = Report(args, outputs=[args.plot])
    for name in LAYERS:
        verify(name, args.channels)
    rows: dict[str, Row] = {}
    lines, sides = [], sorted(set(args.sides))
    measured: dict[str, tuple[list[int], list[float]]] = {name: ([], []) for name in LAYERS}
    for before, side in zip([sides[0], *sides], sides, strict=False):
        growth = (side / before) ** 2
        contenders = [
            contender(name, side, args, too_long(layer, rows.get(name), growth, args.limit))
            for name, layer in LAYERS.items()
        ]
        timings = compare(contenders, BASELINE, repeats=args.repeats, device=args.device)
        rows = {row.name: row for row in timings}
        report.timings(f'{side} x {side}, {args.channels} channels', timings, BASELINE)
        for row in timings:
            if row.median:
                measured[row.name][0].append(side * side)
                measured[row.name][1].append(row.median)
        lines.append({'positions': f'{side}x{side}', **{r.name: _shown(r) for r in timings}})
    for text, value in (
        ('slope', lambda name: slope(*measured[name])),
        ('in theory', lambda name: LAYERS[name].slope),
    ):
        lines.append({'positions': text, **{name: value(name) for name in LAYERS}})
    title = f'{PASSES[args.passes]}, {args.channels} channels'
    report.table(f'Milliseconds, {title}', lines)
    if args.plot:
        plot(measured, title, args.plot)
    report.close()


def _shown(row: Row) -> float | str:
    return 1e3 * row.median if row.median else row.note


if __name__ == '__main__':
    run_cli(main)

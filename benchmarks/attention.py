"""Measure time and memory of the attention functions, on maps of the papers' sizes.

    python -m benchmarks.attention [--quick] [--maps window:64:256 global:128:112] [--json FILE]

Every backend that runs on the device is compared with the formula itself (``reference``). Window
attention (7x7) is also compared with the formula on PyTorch's unfold and fold, with a 3x3
convolution of the same channels, and with a copy of the bytes that have to be read and written. All
results are checked; those of the backends against the formula in float32. A backward pass computes
the gradients of all maps and of the convolution's weights.
"""

import argparse
import functools
import importlib
import itertools
from collections.abc import Sequence

import torch

from benchmarks.attention_cases import LAYOUTS, PASSES, WINDOW, Case, Maps
from benchmarks.attention_contenders import TOLERANCE, convolution, copy, results, same_as, unfold
from benchmarks.harness import Contender, Row, compare
from benchmarks.memory import free_bytes
from benchmarks.report import MIB, Report, Target, at_least, parser
from mmseg_attn.apps.cli import run_cli

MAPS = (
    *('window:64:256', 'window:128:128', 'window:256:64', 'window:512:32'),  # LFA-UNet, 256x256
    *('window:64:512', 'window:128:256', 'window:256:128', 'window:512:64'),  # LFA-UNet, 512x512
    *('global:128:112', 'global:256:56'),  # MSANet, 224x224
    'global:128/1024:32',  # DA-UNet, 512x512
)
QUICK = ('window:64:256', 'global:128:112')


@functools.cache
def backends(kind: str, dtype: torch.dtype, device: str) -> list[str]:
    """Return the backends that run on the device, ``reference`` first and ``auto`` last."""
    module = importlib.import_module(f'mmseg_attn.ops.{kind}_attention')
    small = Case(Maps(kind, 16, 16, WINDOW + 1), dtype, 'contiguous', 'forward', 1, device)
    names = []
    experiments = ['triton'] if kind == 'window' else []
    for name in (*module._BACKENDS, *experiments, 'auto'):
        try:
            small.attend(small.tensors()[:3], name)
        except (ValueError, ImportError) as error:
            print(f'{kind} attention: {name} is left out: {error}')
        else:
            names.append(name)
    return names


def contenders(case: Case) -> list[Contender]:
    """Build the contenders of a comparison."""
    *maps, upstream = case.tensors()
    free = free_bytes(case.device)
    too_large = '' if case.reference_bytes() < free / 2 else 'needs more memory than is free'
    wide = [x.detach().float().requires_grad_(case.backward) for x in maps]
    formula = 'sdpa' if too_large else 'reference'
    expected = results(case.attend(wide, formula), wide, upstream.float())
    check = same_as(expected, TOLERANCE[case.dtype])
    entries = [
        Contender(
            name,
            lambda name=name: lambda: results(case.attend(maps, name), maps, upstream),
            check,
            too_large if name == 'reference' else '',
        )
        for name in backends(case.maps.kind, case.dtype, case.device)
    ]
    if case.windows:
        entries += [
            unfold(maps, upstream, WINDOW, case.scale, check),
            convolution(maps[2], upstream),
            copy(maps, 4 + 7 * case.backward),
        ]
    return entries


def targets(case: Case, rows: dict[str, Row]) -> list[Target]:
    """Return the targets of a comparison, if it has any."""
    ours, maps = rows['auto'], case.maps
    if case.device.startswith('cuda'):
        if not case.windows or maps.channels not in (64, 128):
            return []
        if case.backward:
            return [Target(f'{case}: reference / auto', 3, over(rows, 'reference', 'auto'), True)]
        return [Target(f'{case}: copy / auto', 0.6, over(rows, 'copy', 'auto'), True)]
    if case.dtype != torch.float32 or case.layout != 'contiguous':
        return []
    if maps == Maps.parse('window:64:256') and case.backward:
        return [
            Target(f'{case}: auto / unfold', 1 / 3, over(rows, 'auto', 'unfold')),
            Target(f'{case}: auto / convolution', 1.5, over(rows, 'auto', '3x3 convolution')),
        ]
    if maps == Maps.parse('global:128:112'):
        return [
            Target(f'{case}: auto / reference', 0.55, ours.ratio),
            Target(f'{case}: peak memory, auto / reference', 0.2, ours.peak_ratio),
        ]
    return []


def over(rows: dict[str, Row], a: str, b: str) -> float | None:
    """Divide the time of one contender by that of another."""
    return rows[a].median / rows[b].median if rows[a].median else None


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument(
        '--maps', type=Maps.parse, nargs='+', metavar='KIND:CHANNELS:SIDE', help='default: all'
    )
    types = ('float32', 'bfloat16', 'float16')
    options.add_argument('--dtype', nargs='+', choices=types, help='default: the first two')
    options.add_argument('--layout', nargs='+', choices=LAYOUTS, help='default: all')
    options.add_argument('--passes', nargs='+', choices=PASSES, help='default: both')
    options.add_argument('--batch', type=at_least(1), help='default: 8 on a GPU, else 1')
    options.add_argument(
        '--quick',
        action='store_true',
        help=f'by default {" ".join(QUICK)}, float32, contiguous, forward + backward only',
    )
    args = options.parse_args(argv)
    quick = args.quick
    args.maps = args.maps or [Maps.parse(text) for text in (QUICK if quick else MAPS)]
    args.dtype = args.dtype or types[: 1 if quick else 2]
    args.layout = args.layout or list(LAYOUTS)[: 1 if quick else 2]
    args.passes = args.passes or list(PASSES)[1 if quick else 0 :]
    args.batch = args.batch or (8 if args.device.startswith('cuda') else 1)
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    report = Report(args)
    summary = []
    for maps, dtype, layout, passes in itertools.product(
        args.maps, args.dtype, args.layout, args.passes
    ):
        case = Case(maps, getattr(torch, dtype), layout, passes, args.batch, args.device)
        rows = compare(contenders(case), 'reference', repeats=args.repeats, device=args.device)
        report.timings(str(case), rows, 'reference')
        report.targets += targets(case, {row.name: row for row in rows})
        summary.append((case, rows))
    for kind in dict.fromkeys(case.maps.kind for case, _ in summary):
        lines = [line(case, rows) for case, rows in summary if case.maps.kind == kind]
        report.table(f'{kind} attention: time relative to the reference', lines)
    report.close()


def line(case: Case, rows: Sequence[Row]) -> dict:
    """Return the row of a comparison in the summary table."""
    reference, auto = rows[0], next(row for row in rows if row.name == 'auto')
    return {
        **case.cells(),
        'reference ms': reference.median and 1e3 * reference.median,
        **{row.name: row.ratio for row in rows[1:]},
        'peak of auto, MiB': auto.peak / MIB,
        'peak relative to the reference': auto.peak_ratio,
    }


if __name__ == '__main__':
    run_cli(main)

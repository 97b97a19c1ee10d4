"""Measure speed and peak memory of a training step: our networks and comparable ones.

    pip install -e ".[benchmark]"
    python -m benchmarks.train_step [--base 64 16] [--models U-Net LFA-UNet] [--json FILE]

All networks have the same base width, batch, size and precision, random images, and the same loss
(cross entropy) and optimizer (Adam). A step is forward, loss, backward and update. Before the
timing, the logits of a network must have the right shape, and every weight a finite gradient. With
``--runtime fast`` our networks train like with FastRunner (channels-last, bfloat16, fused Adam);
the others do not change.
"""

import argparse
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.harness import Contender, Row, compare
from benchmarks.networks import CLASSES
from benchmarks.report import Report, Target, at_least, parser
from benchmarks.training_contenders import (
    ATTENTION,
    BASIC,
    MMSEG,
    NAMES,
    OURS,
    build,
    flops,
    left_out,
)
from mmseg_attn.apps.cli import run_cli

UNET, LFA, GATED = 'U-Net', 'LFA-UNet', 'Attention U-Net'
PRECISIONS = {'float32': torch.float32, 'bfloat16': torch.bfloat16}


def contender(name: str, base: int, args: argparse.Namespace) -> Contender:
    """Return the training step of a network as a contender."""
    fast = args.runtime == 'fast' and name in OURS
    dtype = torch.bfloat16 if fast else PRECISIONS[args.precision]
    random = torch.Generator().manual_seed(0)
    images = torch.randn(args.batch, 3, args.size, args.size, generator=random)
    shape = args.batch, args.size, args.size
    labels = torch.randint(CLASSES, shape, generator=random)
    built: dict[str, torch.nn.Module] = {}

    def build_() -> Callable[[], tuple[Tensor, Tensor]]:
        model, network = build(name, base)
        built['model'] = model.to(args.device)
        if fast:
            model.to(memory_format=torch.channels_last)
        adam = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True if fast else None)
        inputs, targets = images.to(args.device), labels.to(args.device)

        def step() -> tuple[Tensor, Tensor]:
            adam.zero_grad()
            device = torch.device(args.device).type
            with torch.autocast(device, dtype, enabled=dtype != torch.float32):
                logits = network(inputs)
            loss = F.cross_entropy(logits.float(), targets)
            loss.backward()
            adam.step()
            return logits.detach(), loss.detach()

        return step

    def check(result: tuple[Tensor, Tensor]) -> None:
        logits, loss = result
        expected = args.batch, CLASSES, args.size, args.size
        if logits.shape != expected:
            raise ValueError(f'its logits are {tuple(logits.shape)} instead of {expected}')
        exact = F.cross_entropy(logits.double(), labels.to(args.device))
        if not abs(loss - exact) < 1e-4 * exact:
            raise ValueError(f'its loss is {loss:.4g} instead of {exact:.4g}')
        for weight, value in built['model'].named_parameters():
            if value.grad is None or not value.grad.isfinite().all():
                raise ValueError(f'{weight} has no finite gradient')

    return Contender(name, build_, check, left_out(name))


def targets(rows: Sequence[Row], base: int, args: argparse.Namespace) -> list[Target]:
    """Return the targets for the times relative to our U-Net."""
    ratio = {row.name: row.ratio for row in rows}
    plain = args.runtime == 'default'
    entries = [
        Target(f'base {base}: time, {peer} / our U-Net', 1.25, ratio[peer], at_least=True)
        for peer in (MMSEG, BASIC)
        if plain and {UNET, peer} <= set(ratio)
    ]
    limit = {64: 1.0, 16: 1.25}.get(base)
    if plain and {UNET, LFA} <= set(ratio) and limit and args.device == 'cpu':
        entries.append(Target(f'base {base}: time, LFA-UNet / our U-Net', limit, ratio[LFA]))
    if plain and {GATED, ATTENTION} <= set(ratio):
        quotient = None
        if ratio[ATTENTION]:
            own, other = (
                ratio[n] / flops(n, base, args.size, args.batch) for n in (GATED, ATTENTION)
            )
            quotient = own / other
        entries.append(Target(f'base {base}: time per FLOP, {GATED} / {ATTENTION}', 1.0, quotient))
    if args.runtime == 'fast' and args.device.startswith('cuda') and {UNET, MMSEG} <= set(ratio):
        entries.append(
            Target(f'base {base}: time, {MMSEG} / U-Net', 2.5, ratio[MMSEG], at_least=True)
        )
    return entries


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument('--base', type=at_least(2), nargs='+', default=[64], help='default: 64')
    options.add_argument('--size', type=at_least(32), default=256, help='default: %(default)s')
    options.add_argument('--batch', type=at_least(1), default=2, help='default: %(default)s')
    options.add_argument('--models', nargs='+', choices=NAMES, metavar='NAME', help='some only')
    options.add_argument('--precision', choices=PRECISIONS, default='float32')
    options.add_argument('--runtime', choices=('default', 'fast'), default='default')
    return options.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    report = Report(args)
    names = args.models or NAMES
    baseline = UNET if UNET in names else names[0]
    for base in args.base:
        rows = compare(
            [contender(name, base, args) for name in names],
            baseline,
            repeats=args.repeats,
            device=args.device,
        )

        def more(row: Row, base: int = base) -> dict:
            if row.median is None:
                return {}
            work = flops(row.name, base, args.size, args.batch)
            return {
                'images per second': args.batch / row.median,
                'GFLOP per image': work / args.batch / 1e9,
                'GFLOP per second': work / row.median / 1e9,
            }

        how = args.precision + (', ours in the fast runtime' if args.runtime == 'fast' else '')
        report.timings(
            f'training step, base width {base}, batch {args.batch}, {args.size}x{args.size}, {how}',
            rows,
            baseline,
            more,
        )
        report.targets += targets(rows, base, args)
    report.close()


if __name__ == '__main__':
    run_cli(main)

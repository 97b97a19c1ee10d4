"""Measure speed and peak memory of inference: networks, and sliding windows over a large image.

    python -m benchmarks.inference [--networks Hybrid-UNet U-Net] [--size 512 512] [--json FILE]
    python -m benchmarks.inference --large 3000 4000 [--json FILE]

The time of an image is from its bytes in memory to its labels. Weights are random, which does not
change the time. The logits of a network are compared with those in float64; the labels of the two
sliding-window implementations (MMSegmentation's and ours, with the same weights) must be equal.
Peak memory includes the weights.
"""

import argparse
import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch

from benchmarks.harness import Contender, Row, compare
from benchmarks.networks import NETWORKS, batch, build, load
from benchmarks.report import Report, Target, at_least, parser
from mmseg_attn.apps.cli import run_cli

UNET = 'U-Net'
THEIRS, OURS = 'EncoderDecoder', 'LargeImageEncoderDecoder'


def network(name: str, args: argparse.Namespace) -> Contender:
    """Return the inference of a network as a contender."""
    cfg = load(name, args.width)
    data = batch(args.size, args.batch)

    def build_() -> Callable[[], list]:
        model = build(cfg, args.device)
        return lambda: predict(model, data)

    def check(samples: Sequence) -> None:
        # not on a GPU: its fused attention has no float64, and MSANet would need 34 GB at 512x512
        model = build(cfg, 'cpu')
        inputs = model.data_preprocessor(copy.deepcopy(data))['inputs']
        with torch.no_grad():
            expected = model.double()(inputs.double(), mode='tensor')
        actual = torch.stack([sample.seg_logits.data for sample in samples]).cpu()
        if actual.shape != expected.shape:
            raise ValueError(
                f'the logits are {tuple(actual.shape)} instead of {tuple(expected.shape)}'
            )
        off = ((actual - expected).abs().max() / expected.abs().max()).item()
        if not off < 1e-2:
            raise ValueError(f'the logits are off by {off:.2g} of the largest in float64')

    return Contender(name, build_, check)


def predict(model: torch.nn.Module, data: dict[str, list]) -> list:
    """Run a model like MMEngine's test loop."""
    with torch.no_grad():
        return model.test_step(copy.copy(data))


def large(args: argparse.Namespace) -> list[Contender]:
    """Return the two sliding-window implementations as contenders."""
    reference: dict[str, Any] = {}

    def slider(segmentor: str) -> Contender:
        cfg = load(UNET, args.width)
        cfg.model.type = segmentor
        crop, stride = (args.crop, args.crop), (args.crop * 2 // 3,) * 2
        cfg.model.test_cfg = dict(mode='slide', crop_size=crop, stride=stride)
        data = batch(args.large)

        def build_() -> Callable[[], list]:
            model = build(cfg, args.device)
            return lambda: predict(model, data)

        def check(samples: Sequence) -> None:
            labels = samples[0].pred_sem_seg.data
            others = (labels != reference.setdefault('labels', labels)).sum()
            if others:
                raise ValueError(f'{others} of {labels.numel()} labels differ')

        return Contender(segmentor, build_, check)

    return [slider(THEIRS), slider(OURS)]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument(
        '--networks', nargs='+', choices=NETWORKS, metavar='NAME', help='some only'
    )
    sides = dict(type=at_least(1), nargs=2, metavar=('HEIGHT', 'WIDTH'))
    options.add_argument('--size', **sides, default=(256, 256), help='default: 256 256')
    options.add_argument('--large', **sides, help='slide over an image of this size instead')
    options.add_argument(
        '--crop', type=at_least(16), default=512, help='window; default: %(default)s'
    )
    options.add_argument(
        '--width', type=at_least(8), help="of the first stage; default: the config's"
    )
    options.add_argument('--batch', type=at_least(1), default=1, help='default: %(default)s')
    args = options.parse_args(argv)
    args.size, args.large = tuple(args.size), args.large and tuple(args.large)
    if args.large and min(args.large) < args.crop:
        options.error(f'an image of {args.large} needs --crop {min(args.large)} or less')
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    report = Report(args)
    if args.large:
        baseline, contenders = THEIRS, large(args)
        what, images = 'one image, U-Net with ten classes', 1
        size = args.large
    else:
        names = args.networks or list(NETWORKS)
        baseline = UNET if UNET in names else names[0]
        contenders = [network(name, args) for name in names]
        what, images, size = f'batch {args.batch}', args.batch, args.size
    width = f'base width {args.width}' if args.width else "configs' widths"
    before = 1 if args.large else 2
    rows = compare(
        contenders, baseline, repeats=args.repeats, device=args.device, calls_before=before
    )
    report.timings(
        f'{what}, {size[0]}x{size[1]}, {width}',
        rows,
        baseline,
        lambda row: {'images per second': row.median and images / row.median},
    )
    if args.large:
        report.targets += targets(rows)
    report.close()


def targets(rows: Sequence[Row]) -> list[Target]:
    """Require that sliding takes no more time or memory than MMSegmentation's."""
    ours = next(row for row in rows if row.name == OURS)
    return [
        Target(f'time, {OURS} / {THEIRS}', 1, ours.ratio),
        Target(f'peak memory, {OURS} / {THEIRS}', 1, ours.peak_ratio),
    ]


if __name__ == '__main__':
    run_cli(main)

"""Measure how long a model takes for a batch, from the image in memory to the labels.

    python tools/analysis_tools/benchmark.py CONFIG [--shape HEIGHT WIDTH]

Weights and images are random: neither changes the time. MMSegmentation's own tool reads the test
set instead, and prints nan for sets of fewer than 200 images.
"""

import argparse
from pathlib import Path

from mmengine.config import Config
from mmengine.device import get_device

from mmseg_attn.datasets.conversion import ConversionError, at_least, run_cli
from mmseg_attn.evaluation.input_shape import channels, input_shape
from mmseg_attn.evaluation.speed import measure


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path)
    parser.add_argument(
        '--shape',
        type=at_least(1),
        nargs=2,
        metavar=('HEIGHT', 'WIDTH'),
        help="default: the size in the config's name",
    )
    parser.add_argument('--batch-size', type=at_least(1), default=1, help='default: %(default)s')
    parser.add_argument('--repeats', type=at_least(2), default=20, help='default: %(default)s')
    parser.add_argument('--device', default=get_device(), help='default here: %(default)s')
    parser.add_argument('--amp', action='store_true', help='compute in mixed precision')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if not args.config.is_file():
        raise ConversionError(f'{args.config} is missing: name a config file')
    cfg = Config.fromfile(args.config)
    shape = (channels(cfg), *args.shape) if args.shape else input_shape(cfg)
    if not shape:
        raise ConversionError(f'{args.config} has no size in its name: give --shape HEIGHT WIDTH')
    speed = measure(
        cfg,
        shape,
        batch_size=args.batch_size,
        repeats=args.repeats,
        device=args.device,
        amp=args.amp,
    )
    size = ' x '.join(map(str, (args.batch_size, *shape)))
    print(f'{size} on {speed.device}{", mixed precision" if args.amp else ""}')
    print(
        f'{1e3 * speed.median:.1f} ms per batch (median of {args.repeats}; '
        f'{1e3 * speed.fastest:.1f} to {1e3 * speed.slowest:.1f}), '
        f'{args.batch_size / speed.median:.2f} images per second'
    )
    if speed.memory:
        print(f'{speed.memory / 2**20:.0f} MiB of GPU memory at the most')


if __name__ == '__main__':
    run_cli(main)

"""Measure the inference time of a model per batch, from images in memory to labels.

    python tools/analysis_tools/benchmark.py CONFIG [--shape HEIGHT WIDTH]

Weights and images are random because neither changes the time. MMSegmentation's own tool reads the
test set instead and prints nan for fewer than 200 images.
"""

import argparse
import os
from pathlib import Path

if not {'GOMP_SPINCOUNT', 'OMP_WAIT_POLICY'} & os.environ.keys():
    os.environ['GOMP_SPINCOUNT'] = '1000'  # before PyTorch: docs/performance.md, "A busy machine"


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path, help='config file')
    parser.add_argument(
        '--shape',
        type=int,
        nargs=2,
        metavar=('HEIGHT', 'WIDTH'),
        help="size of the images; default: the size in the config's name",
    )
    parser.add_argument(
        '--batch-size', type=int, default=1, help='images per batch; default: %(default)s'
    )
    parser.add_argument(
        '--repeats', type=int, default=20, help='number of measured batches; default: %(default)s'
    )
    parser.add_argument('--device', help='default: the GPU, if there is one')
    parser.add_argument('--amp', action='store_true', help='use mixed precision')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change settings of the config',
    )
    args = parser.parse_args(argv)
    for name, value, minimum in (
        ('shape', min(args.shape or [1]), 1),
        ('batch-size', args.batch_size, 1),
        ('repeats', args.repeats, 2),
    ):
        if value < minimum:
            parser.error(f'argument --{name}: {value} is below {minimum}')
    return args


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

from mmseg_attn.apps.cli import load_config, run_cli, usable_device
from mmseg_attn.errors import UsageError
from mmseg_attn.evaluation.input_shape import channels, input_shape
from mmseg_attn.evaluation.speed import measure


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    cfg = load_config(args.config, args.cfg_options)
    shape = (channels(cfg), *args.shape) if args.shape else input_shape(cfg)
    if not shape:
        raise UsageError(f'{args.config} has no image size in its name: set --shape HEIGHT WIDTH')
    speed = measure(
        cfg,
        shape,
        batch_size=args.batch_size,
        repeats=args.repeats,
        device=usable_device(args.device),
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
        print(f'{speed.memory / 2**20:.0f} MiB of GPU memory at most')


if __name__ == '__main__':
    run_cli(main)

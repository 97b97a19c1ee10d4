"""Count the parameters of a model and its FLOPs for one image, without data.

    python tools/analysis_tools/get_flops.py CONFIG [--shape HEIGHT WIDTH]

A multiply-add is two FLOPs. Only convolutions and matrix products are counted. MMSegmentation's own
tool fails on MMEngine 0.10.7 and supports only three channels.
"""

import argparse
from pathlib import Path


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
        help="size of the image; default: the size in the config's name",
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change settings of the config',
    )
    args = parser.parse_args(argv)
    if args.shape and min(args.shape) < 1:
        parser.error(f'argument --shape: {min(args.shape)} is below 1')
    return args


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports


import mmseg_attn  # noqa: F401  registers the parts
from mmseg_attn.apps.cli import load_config, run_cli
from mmseg_attn.errors import UsageError
from mmseg_attn.evaluation import complexity
from mmseg_attn.evaluation.input_shape import channels, input_shape


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    cfg = load_config(args.config, args.cfg_options)
    shape = (channels(cfg), *args.shape) if args.shape else input_shape(cfg)
    if not shape:
        raise UsageError(f'{args.config} has no image size in its name: set --shape HEIGHT WIDTH')
    cost = complexity(cfg.model, shape)
    print(f'input       {shape[0]} x {shape[1]} x {shape[2]}')
    print(f'parameters  {cost.parameters} ({cost.parameters / 1e6:.2f} M)')
    print(f'FLOPs       {cost.flops} ({cost.flops / 1e9:.2f} G)')


if __name__ == '__main__':
    run_cli(main)

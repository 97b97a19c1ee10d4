"""Check the datasets of a config for errors before a training, in one pass.

    python tools/check_dataset.py CONFIG [--json FILE] [--sample N] [--workers N]

The tool opens every image and mask of the training, validation and test datasets as the pipelines
of the config load them. It changes no file. Errors make the training or the metrics wrong, and the
exit code is then 1. Warnings can be harmless; read each of them once.
"""

import argparse
import json
import os
import sys
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path, help='training config')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all findings to this file')
    parser.add_argument(
        '--sample',
        type=int,
        metavar='N',
        help='check only N images of each dataset, evenly spaced; default: all',
    )
    parser.add_argument(
        '--workers',
        type=int,
        metavar='N',
        default=min(8, os.cpu_count() or 1),
        help='number of processes; default: %(default)s',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change settings of the config',
    )
    args = parser.parse_args(argv)
    for name in ('sample', 'workers'):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f'argument --{name}: {getattr(args, name)} is below 1')
    return args


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

import mmseg_attn  # noqa: F401  registers the datasets
from mmseg_attn.apps.check import check_config
from mmseg_attn.apps.cli import check_output, load_config, run_cli
from mmseg_attn.io import write_file


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    cfg = load_config(args.config, args.cfg_options)
    if args.json:
        check_output('--json', args.json, ['.json'], args.config)
    report = check_config(cfg, sample=args.sample, workers=args.workers)
    print(report)
    if args.json:
        content = dict(config=str(args.config), **report.to_dict())
        write_file(args.json, f'{json.dumps(content, indent=2)}\n')
    sys.exit(report.errors > 0)


if __name__ == '__main__':
    run_cli(main)

"""Compute mean and standard deviation of the bands of rasters, for data_preprocessor.

    python tools/analysis_tools/band_statistics.py CONFIG
    python tools/analysis_tools/band_statistics.py RASTER_OR_FOLDER... [--bands B4 B3 B2 B8]

Of a config, the rasters are those of the training split, and bands, scale and nodata value are
those of its LoadRaster. Pixels without data do not count. Rasters of any size are read window by
window.
"""

import argparse
from pathlib import Path


def number_or_name(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def scale(text: str) -> float | str:
    return text if text == 'file' else float(text)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'inputs', type=Path, nargs='+', metavar='input', help='config, raster or folder of rasters'
    )
    parser.add_argument(
        '--bands',
        type=number_or_name,
        nargs='+',
        metavar='BAND',
        help='numbers from 1 on, or names; default: all but transparency',
    )
    parser.add_argument(
        '--scale',
        type=scale,
        help="factor of the values, or 'file' for scale and offset of the file; default: 1",
    )
    parser.add_argument('--offset', type=float, help='what is added then; default: 0')
    parser.add_argument(
        '--nodata', type=float, help='value of pixels without data in files that do not name one'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change settings of the config',
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

from mmengine.registry import init_default_scope

import mmseg_attn  # noqa: F401  registers the datasets
from mmseg_attn.apps.check.band_statistics import Source, band_statistics, training_rasters
from mmseg_attn.apps.cli import load_config, print_table, progress, run_cli
from mmseg_attn.apps.predict import find_items
from mmseg_attn.datasets.building import build_split
from mmseg_attn.datasets.transforms import LoadRaster
from mmseg_attn.errors import UsageError
from mmseg_attn.io import counted
from mmseg_attn.io.raster import SUFFIXES


def find_sources(args: argparse.Namespace) -> list[Source]:
    """List the files, with their bands and scale."""
    settings = dict(bands=args.bands, scale=args.scale, offset=args.offset, nodata=args.nodata)
    if args.inputs[0].suffix == '.py':
        used = [f'--{name}' for name, value in settings.items() if value is not None]
        if used or len(args.inputs) > 1:
            raise UsageError(
                f'{used[0] if used else args.inputs[1]} does not go with a config, whose '
                'training split and LoadRaster count: leave it out, or set it with --cfg-options'
            )
        cfg = load_config(args.inputs[0], args.cfg_options)
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        return training_rasters(build_split(cfg, 'train'))
    rule = LoadRaster(**settings).rule
    items, _ = find_items(args.inputs, exclude=Path('no-output'), suffixes=SUFFIXES)
    return [(item.path, rule) for item in items]


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    sources = find_sources(args)
    moments = band_statistics(sources, watch=lambda files: progress(files, 'reading raster'))
    mean, std = ([float(f'{x:.6g}') for x in values] for values in (moments.mean, moments.std))
    print(f'{counted(len(sources), "raster")}, {counted(len(mean), "band")}\n')
    columns = (moments.count, moments.low, moments.high, mean, std)
    rows = [
        [name, str(count), *(f'{x:.6g}' for x in values)]
        for name, count, *values in zip(moments.names, *columns, strict=True)
    ]
    print_table(['band', 'pixels with data', 'lowest', 'highest', 'mean', 'std'], rows)
    std = [value or 1.0 for value in std]  # of a band with a single value
    print(f'\ndata_preprocessor = dict(\n    mean={mean},\n    std={std},\n)')


if __name__ == '__main__':
    run_cli(main)

"""Measure the memory of the prediction of large rasters, in a process for each size.

    python -m benchmarks.raster_memory [--sizes 512 8000 2048x30000] [--width 4] [--json FILE]

The script writes tiled 16-bit GeoTIFF files of ``--bands`` bands with a slanted edge without data,
predicts each with ``tools/predict.py`` and a small U-Net with random weights, and deletes them. The
memory is the peak of the resident memory of the process. The first size, of one window, shows what
Python, the libraries and the network need.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from benchmarks.report import MIB, Report, Target, at_least, parser
from mmseg_attn.apps.cli import run_cli
from mmseg_attn.errors import RunError
from mmseg_attn.io.raster import gdal

ROOT = Path(__file__).resolve().parents[1]
TILE, CLASSES = 512, 5
LIMIT = 2048  # MiB


def sides(text: str) -> tuple[int, int]:
    """Parse rows and columns from '512' or '2048x30000'."""
    rows, _, columns = text.partition('x')
    return at_least(64)(rows), at_least(64)(columns or rows)


def write_raster(file: Path, size: tuple[int, int], bands: int, empty: float) -> None:
    """Write a raster, a row of tiles at a time; ``empty`` is the fraction of the first row."""
    height, width = size
    columns = np.arange(width)
    with (
        gdal() as rasterio,
        rasterio.open(
            file,
            'w',
            driver='GTiff',
            width=width,
            height=height,
            count=bands,
            dtype='uint16',
            nodata=0,
            crs='EPSG:32633',
            transform=rasterio.Affine(10, 0, 300000, 0, -10, 5400000),
            tiled=True,
            blockxsize=TILE,
            blockysize=TILE,
            compress='lzw',
            predictor=2,
            BIGTIFF='IF_SAFER',
        ) as dataset,
    ):
        for top in range(0, height, TILE):
            rows = np.arange(top, min(top + TILE, height))[:, None]
            values = (1000 + (rows // 8 + columns // 4) % 3000).astype(np.uint16)
            values[columns + rows / 3 < width * empty] = 0
            window = rasterio.windows.Window(0, top, width, len(rows))
            dataset.write(np.stack([values] * bands), window=window)


def write_model(folder: Path, args: argparse.Namespace) -> tuple[Path, Path]:
    """Write the config and random weights of a U-Net."""
    channels = [args.width * 2**i for i in range(args.depth)]
    mean = dict(mean=[2500.0] * args.bands, std=[900.0] * args.bands)
    head = dict(
        type='UNetHead',
        in_channels=channels,
        num_classes=CLASSES,
        loss_decode=dict(type='CrossEntropyLoss'),
    )
    cfg = Config(
        dict(
            default_scope='mmseg',
            model=dict(
                type='EncoderDecoder',
                data_preprocessor=dict(type='SegDataPreProcessor', **mean),
                backbone=dict(type='UNetEncoder', in_channels=args.bands, channels=channels),
                decode_head=head,
            ),
            test_dataloader=dict(
                dataset=dict(
                    type='BaseSegDataset',
                    metainfo=dict(
                        classes=[f'class {i}' for i in range(CLASSES)],
                        palette=[[50 * i, 90, 200 - 40 * i] for i in range(CLASSES)],
                    ),
                    pipeline=[dict(type='LoadRaster'), dict(type='PackSegInputs')],
                )
            ),
        )
    )
    cfg.dump(folder / 'config.py')
    init_default_scope('mmseg')
    torch.manual_seed(0)
    torch.save(MODELS.build(cfg.model).state_dict(), folder / 'weights.pth')
    return folder / 'config.py', folder / 'weights.pth'


def predict(file: Path, model: tuple[Path, Path], args: argparse.Namespace) -> tuple[float, float]:
    """Predict a raster in a process of its own; return its seconds and peak MiB.

    Raises:
        RunError: If the prediction fails.
    """
    words = [*model, file, '--out', file.with_suffix(''), '--device', args.device]
    words += ['--window', str(args.window)]
    command = [sys.executable, ROOT / 'tools/predict.py', *words]
    threads = dict(OMP_NUM_THREADS=str(args.threads)) if args.threads else {}
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))
    begin = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **threads, 'PYTHONPATH': paths},
    )
    assert process.stderr is not None
    text = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RunError(f'the prediction of {file} failed: {text.strip()[-500:]}')
    return time.perf_counter() - begin, usage.ru_maxrss / 1024  # KiB on Linux


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument(
        '--sizes',
        type=sides,
        nargs='+',
        default=[(TILE, TILE), (4096, 4096)],
        metavar='SIZE',
        help='rows and columns of the rasters; default: 512 4096',
    )
    options.add_argument('--bands', type=at_least(1), default=4, help='default: %(default)s')
    options.add_argument('--width', type=at_least(1), default=4, help='default: %(default)s')
    options.add_argument('--depth', type=at_least(2), default=5, help='default: %(default)s')
    options.add_argument('--window', type=at_least(32), default=512, help='default: %(default)s')
    options.add_argument(
        '--empty',
        type=float,
        default=0.2,
        help='fraction of the first row without data; default: %(default)s',
    )
    options.add_argument('--folder', type=Path, help='for the files; default: the temporary folder')
    return options.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    report = Report(args)
    rows = []
    with TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        model = write_model(folder, args)
        for size in args.sizes:
            height, width = size
            file = folder / f'{height}x{width}.tif'
            write_raster(file, size, args.bands, args.empty)
            stored = file.stat().st_size / MIB
            seconds, peak = predict(file, model, args)
            file.unlink()
            rows.append(
                {
                    'raster': f'{height} x {width} x {args.bands}',
                    'decoded, MiB': height * width * args.bands * 2 / MIB,
                    'file, MiB': stored,
                    'time, s': seconds,
                    'peak, MiB': peak,
                    'peak, MiB more than the first': peak
                    - (rows[0]['peak, MiB'] if rows else peak),
                }
            )
    title = f'prediction of 16-bit rasters, U-Net of base width {args.width} and depth {args.depth}'
    report.table(f'{title}, windows of {args.window}', rows)
    more = rows[-1]['peak, MiB more than the first']
    report.targets.append(Target('MiB more than the first raster', LIMIT, more))
    report.close()


if __name__ == '__main__':
    run_cli(main)

"""Measure tools/predict.py on a CPU: files predicted one after the other, and side by side.

    python -m benchmarks.prediction [--base 16] [--images 40] [--size 256] [--json FILE]

The files are gray PNG images of random values, and the weights of the U-Net are random; neither
changes the time. A call reads the files, predicts them, and writes masks, overlays and the table
to a temporary folder. The files that ``side by side`` writes must be those of ``one by one``.
"""

import argparse
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from PIL import Image

from benchmarks.harness import Contender, compare
from benchmarks.report import Report, Target, at_least, parser
from mmseg_attn.apps.cli import run_cli
from mmseg_attn.apps.predict import Intensities, Predictor, Results, find_items, predict_files

CONFIG = (
    Path(__file__).resolve().parents[1] / 'configs/unet/unet-b16_1xb4-600i_drosophila-128x128.py'
)
BEFORE, NOW = 'one by one', 'side by side'
CHANGES: dict[str, dict[str, Any]] = {
    BEFORE: dict(workers=0),
    NOW: {},
    f'{NOW}, bfloat16': dict(amp=True),
    f'{NOW}, ONNX Runtime': dict(runtime='onnx'),
}
GOALS = {16: 1 / 2, 64: 1 / 1.5}  # time relative to that of files one by one


def config(base: int) -> Config:
    cfg = Config.fromfile(CONFIG)
    channels = [base * 2**level for level in range(5)]
    cfg.model.backbone.channels = cfg.model.decode_head.in_channels = channels
    return cfg


def make_inputs(folder: Path, args: argparse.Namespace) -> None:
    """Write images and a checkpoint."""
    rng = np.random.default_rng(0)
    (folder / 'images').mkdir()
    for i in range(args.images):
        pixels = rng.integers(0, 256, (args.size, args.size), np.uint8)
        Image.fromarray(pixels).save(folder / f'images/{i:04d}.png')
    init_default_scope('mmseg')
    torch.manual_seed(0)
    model = MODELS.build(config(args.base).model)
    torch.save(dict(state_dict=model.state_dict()), folder / 'weights.pth')


def contender(name: str, folder: Path, checksums: dict[str, str]) -> Contender:
    """Return predictions as a contender.

    Args:
        name: Key of ``CHANGES``.
        folder: The folder of :func:`make_inputs`.
        checksums: Filled with the checksum of the results by name.
    """
    changes = dict(CHANGES[name])
    one_by_one = changes.pop('workers', None) == 0

    def build() -> Callable[[], str]:
        base = torch.load(folder / 'weights.pth')['state_dict']['decode_head.conv_seg.weight']
        predictor = Predictor(config(base.shape[1]), folder / 'weights.pth', **changes)
        items, _ = find_items([folder / 'images'], exclude=folder / 'out')
        workers = 0 if one_by_one else predictor.workers
        names = dict(classes=predictor.classes, palette=predictor.palette)

        def predict() -> str:
            with tempfile.TemporaryDirectory() as out:
                results = Results(Path(out), **names)
                intensities = Intensities([item.path for item in items])
                predict_files(predictor, items, results, intensities=intensities, workers=workers)
                files = sorted(path for path in Path(out).rglob('*') if path.is_file())
                content = hashlib.sha256()
                for path in files:
                    content.update(path.read_bytes())
                return content.hexdigest()

        return predict

    def check(checksum: str) -> None:
        checksums[name] = checksum
        if name == NOW and checksum != checksums[BEFORE]:
            raise ValueError(f'the files differ from those of {BEFORE}')

    return Contender(name, build, check)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument(
        '--base',
        type=at_least(1),
        default=16,
        help='width of the first stage; default: %(default)s',
    )
    options.add_argument('--images', type=at_least(1), default=40, help='default: %(default)s')
    options.add_argument('--size', type=at_least(32), default=256, help='default: %(default)s')
    args = options.parse_args(argv)
    if args.device != 'cpu':
        options.error('measures the CPU only: set --device cpu')
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    report = Report(args)
    with tempfile.TemporaryDirectory() as folder:
        make_inputs(Path(folder), args)
        checksums: dict[str, str] = {}
        rows = compare(
            [contender(name, Path(folder), checksums) for name in CHANGES],
            BEFORE,
            repeats=args.repeats,
            memory=False,
            calls_before=1,
        )
    report.timings(
        f'{args.images} images of {args.size}x{args.size}, base width {args.base}',
        rows,
        BEFORE,
        lambda row: {'images per second': row.median and args.images / row.median},
    )
    goal = GOALS.get(args.base)
    if goal:
        report.targets += [
            Target(f'time, {row.name} / {BEFORE}', goal, row.ratio)
            for row in rows
            if row.name != BEFORE
        ]
    report.close()


if __name__ == '__main__':
    run_cli(main)

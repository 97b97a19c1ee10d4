"""Estimate hours and memory of the papers' tables on a GPU, from counted FLOPs and traced memory.

    python -m benchmarks.gpu_hours [TABLE ...] [--tflops 10 40] [--page docs/reproduce.md]

Nothing is measured on a GPU. A training step counts as three forward passes, and a validation as a
forward pass of its images; data loading and all else are free. The hours follow from the speed that
a card really attains, which is below the speed in its data sheet. The memory is the peak of a
training step without the CUDA context (see training_memory.py).
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config

from benchmarks import networks
from benchmarks.report import Report, at_least, markdown, parser
from benchmarks.training_memory import GIB, Job, Setting, trace, write_tables
from mmseg_attn.apps.cli import run_cli
from mmseg_attn.apps.reproduce import PaperTable, Plan, load_tables, plan_row
from mmseg_attn.errors import DataError
from mmseg_attn.evaluation import complexity
from mmseg_attn.evaluation.input_shape import input_shape

PASSES = 3  # a training step: forward, and twice as much backward
TITLE = 'Estimated cost of one run'


class Images(NamedTuple):
    """Hold the number of images for training and validation, and the size of those for validation.

    Attributes:
        train: Number of training images.
        val: Number of validation images.
        size: Height and width of a validation image, as the network gets it.
    """

    train: int
    val: int
    size: tuple[int, int]


# By type of the dataset in a config; see docs/datasets.md
IMAGES = dict(
    FloodNetDataset=Images(1445, 450, (512, 512)),  # with 448 test images, the paper's 2343
    KneeMRIDataset=Images(240, 30, (512, 512)),  # 300 images, split 8:1:1
    CheckedCityscapesDataset=Images(2975, 500, (1024, 2048)),
    Cityscapes20Dataset=Images(2975, 500, (250, 250)),
    CheckedVOCDataset=Images(2621, 292, (250, 250)),
    DrosophilaDataset=Images(192, 64, (256, 256)),
    COVID19CTDataset=Images(50, 25, (512, 512)),
)


def segments(cfg: Config) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield the epochs of a training and the size of their images, as the hooks change it."""
    epochs, (_, *size) = cfg.train_cfg.max_epochs, input_shape(cfg)
    schedule = {0: tuple(size)}
    for hook in cfg.get('custom_hooks') or []:
        if hook['type'] == 'ResolutionScheduleHook':
            schedule |= hook['schedule']
    starts = sorted(schedule)
    for start, end in zip(starts, [*starts[1:], epochs], strict=True):
        yield max(min(end, epochs) - start, 0), tuple(schedule[start])


def flops_of(cfg: Config) -> float:
    """Return the FLOPs of a training with its validations.

    Raises:
        DataError: If the number of images of the dataset is not known.
    """
    dataset = cfg.train_dataloader.dataset.type
    if dataset not in IMAGES:
        raise DataError(f'the number of images of {dataset} is unknown: add it to IMAGES')
    images, (channels, *_) = IMAGES[dataset], input_shape(cfg)
    training = sum(
        epochs * PASSES * images.train * complexity(cfg.model, (channels, *size)).flops
        for epochs, size in segments(cfg)
    )
    validations = cfg.train_cfg.max_epochs // cfg.train_cfg.get('val_interval', 1)
    forward = complexity(cfg.model, (channels, *images.size)).flops
    return training + validations * images.val * forward


def memory_of(cfg: Config, *, amp: bool) -> int:
    """Return the peak memory of a training step in bytes."""
    return trace(Job(cfg, *input_shape(cfg), cfg.train_dataloader.batch_size), Setting(amp)).peak


def estimate(table: PaperTable, plan: Plan, speeds: list[int]) -> dict:
    """Return a line of the table of estimates.

    Args:
        table: The table of a paper.
        plan: One of its rows.
        speeds: TFLOP/s that the card attains.
    """
    cfg = plan.configs[0]
    flops = flops_of(cfg)
    return {
        'table': table.name,
        'row': plan.row.name,
        'folds': table.folds,
        'PFLOPs': round(flops / 1e15),
        **{f'hours at {speed} TFLOP/s': flops / speed / 1e12 / 3600 for speed in speeds},
        'GiB, float32': memory_of(cfg, amp=False) / GIB,
        'GiB, bfloat16': memory_of(cfg, amp=True) / GIB,
    }


def papers_tables() -> dict[str, PaperTable]:
    """Return the tables with the protocols of the papers."""
    tables = load_tables(networks.CONFIGS / 'tables.yaml')
    return {name: table for name, table in tables.items() if table.paper and not table.options}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    names = [*papers_tables()]
    options = parser(__doc__)
    options.add_argument('tables', nargs='*', metavar='TABLE', help=f'{", ".join(names)}; all')
    options.add_argument(
        '--tflops', type=at_least(1), nargs='+', default=[10, 40], metavar='T', help='TFLOP/s'
    )
    options.add_argument('--page', type=Path, help='write the table into this page, too')
    options.set_defaults(device='cpu')
    args = options.parse_args(argv)
    args.tables = args.tables or names
    if unknown := set(args.tables) - {*names}:
        options.error(f'{", ".join(unknown)} is not a table of a paper: choose from {names}')
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    report, rows = Report(args, timed=False), []
    for name in args.tables:
        table = papers_tables()[name]
        for row in table.rows:
            rows.append(estimate(table, plan_row(row, table, networks.CONFIGS), args.tflops))
            print(f'{name}: {row.name}', file=sys.stderr)
    report.table(TITLE, rows)
    if args.page:
        write_tables(args.page, markdown(rows))
    report.close()


if __name__ == '__main__':
    run_cli(main)

"""Measure the fraction of a training that is spent waiting for data.

    python -m benchmarks.data [--data data/drosophila] [--workers 2] [--json FILE]

A U-Net trains for an epoch of the Drosophila crops at a time. ``waiting`` is the fraction of the
epoch in which the training waits for a batch, the start of the epoch included. The loader is also
timed without the training. Every image that comes out of a loader is compared with the
file. ``decoded`` counts the files that were decoded, over all epochs; ``worker MiB`` is the memory
that a worker shares with no other process, where the system tells (Linux).
"""

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from mmseg.registry import DATASETS, MODELS, TRANSFORMS

from benchmarks import networks
from benchmarks.harness import Contender, Row, compare
from benchmarks.memory import synchronize
from benchmarks.report import Report, Target, at_least, parser
from mmseg_attn.apps.cli import run_cli
from mmseg_attn.errors import DataError


class Counter:
    """Count the decoded files in this process and in the workers that it forks."""

    def __init__(self) -> None:
        self.now: Any = None
        for name in ('LoadImageFromFile', 'LoadStrictAnnotations'):
            kind = TRANSFORMS.get(name)
            kind.transform = self._counted(kind.transform)

    def start(self) -> Any:
        """Start a new count; the workers of other contenders keep theirs."""
        self.now = multiprocessing.Value('q', 0)
        return self.now

    def _counted(self, transform: Callable) -> Callable:
        def counted(*args: Any) -> Any:
            with self.now.get_lock():
                self.now.value += 1
            return transform(*args)

        return counted


class Epochs:
    """Run an epoch at each call; a contender.

    Args:
        cfg: The config.
        args: The command-line options.
        train: Whether to train a network, or only to load the batches.
        counter: Counter of the decoded files.
    """

    def __init__(
        self,
        cfg: Config,
        args: argparse.Namespace,
        *,
        train: bool,
        counter: Counter,
    ) -> None:
        self.cfg, self.args, self.train = cfg, args, train
        self.counter = counter
        self.waiting: list[float] = []  # fraction of each epoch

    def build(self) -> Callable[[], dict[str, int]]:
        """Start the loader and build the network."""
        self.decoded = self.counter.start()
        self.loader = Runner.build_dataloader(self.cfg.train_dataloader, seed=0)
        step = self.step() if self.train else lambda batch: None
        return lambda: self.epoch(step)

    def step(self) -> Callable[[dict], Any]:
        """Build a network, and return a function that trains it on a batch."""
        torch.manual_seed(0)
        model = MODELS.build(self.cfg.model).to(self.args.device).train()
        optim_wrapper = build_optim_wrapper(model, self.cfg.optim_wrapper)
        return lambda batch: model.train_step(batch, optim_wrapper)

    def epoch(self, step: Callable[[dict], Any]) -> dict[str, int]:
        """Run an epoch and return the sum of the gray levels of each image."""
        sums, waited = {}, 0.0
        begin = now = time.perf_counter()
        for batch in self.loader:
            waited += time.perf_counter() - now
            for image, sample in zip(batch['inputs'], batch['data_samples'], strict=True):
                sums[sample.img_path] = int(image.sum())
            step(batch)
            synchronize(self.args.device)
            now = time.perf_counter()
        waited += time.perf_counter() - now
        self.waiting.append(waited / (time.perf_counter() - begin))
        return sums

    def more(self, row: Row) -> dict[str, Any]:
        """Return additional columns of the table."""
        return {
            'waiting': statistics.median(self.waiting[-self.args.repeats :])
            if self.train
            else None,
            'images per second': len(self.loader.dataset) / row.median,
            'decoded': f'{self.decoded.value} in {len(self.waiting)} epochs',
            'worker MiB': self.private_mib(),
        }

    def private_mib(self) -> float | None:
        """Measure the memory that a worker does not share, as the mean over all workers."""
        workers = getattr(self.loader._iterator, '_workers', [])
        files = [Path(f'/proc/{worker.pid}/smaps_rollup') for worker in workers]
        if not files or not all(file.exists() for file in files):
            return None
        lines = [line.split() for file in files for line in file.read_text().splitlines()]
        kib = sum(int(line[1]) for line in lines if line[0] in ('Private_Clean:', 'Private_Dirty:'))
        return kib / 1024 / len(files)


def load(args: argparse.Namespace) -> Config:
    """Load the config, with its dataset limited to ``--images``."""
    if not (args.data / 'splits').is_dir():
        raise DataError(
            f'{args.data} is not the converted Drosophila dataset: name its folder with --data, or '
            'make it with tools/dataset_converters/drosophila.py (and synthetic_sstem.py)'
        )
    os.environ['DROSOPHILA_ROOT'] = str(args.data)
    cfg = Config.fromfile(networks.config_file('U-Net', 'drosophila-256x256'))
    networks.scale(cfg.model, args.width)
    loader = cfg.train_dataloader
    loader.update(num_workers=args.workers, persistent_workers=args.workers > 0)
    loader.update(batch_size=args.batch)
    loader.dataset.indices = args.images
    return cfg


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument(
        '--data', type=Path, default='data/drosophila', help='default: %(default)s'
    )
    options.add_argument('--workers', type=at_least(0), default=2, help='default: %(default)s')
    options.add_argument('--images', type=at_least(1), default=64, help='of an epoch; default: 64')
    options.add_argument('--batch', type=at_least(1), default=8, help='default: %(default)s')
    options.add_argument('--width', type=at_least(1), default=16, help='of the U-Net; default: 16')
    return options.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    report = Report(args)
    cfg = load(args)
    counter = Counter()
    counter.start()
    plain = DATASETS.build(cfg.train_dataloader.dataset)
    samples = [plain[i] for i in range(len(plain))]
    expected = {sample['data_samples'].img_path: int(sample['inputs'].sum()) for sample in samples}

    def check(sums: dict[str, int]) -> None:
        if sums != expected:
            raise ValueError('the images of an epoch differ from the files')

    for train, what in ((True, 'training'), (False, 'the loader alone')):
        run = Epochs(cfg, args, train=train, counter=counter)
        (row,) = compare(
            [Contender('files', run.build, check)],
            'files',
            repeats=args.repeats,
            device=args.device,
            memory=False,
        )
        title = f'{what}, {len(plain)} images, batch {args.batch}, {args.workers} workers'
        columns = run.more(row)
        report.timings(title, [row], 'files', lambda row, columns=columns: columns)
        if train:
            report.targets.append(Target('waiting for data', 0.05, columns['waiting']))
    report.close()


if __name__ == '__main__':
    run_cli(main)

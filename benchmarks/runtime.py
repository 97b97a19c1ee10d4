"""Measure a training iteration in the default runtime, in the fast one, and with its parts.

    python -m benchmarks.runtime [--base 64] [--compiled] [--json FILE]

Each contender trains a U-Net with MMEngine's loop and the hooks and data loader of our configs, on
random images. Each has a process of its own, which waits while others have their turn. A turn is a
whole iteration: batch, forward, loss, backward, update, hooks. The first loss of each must be that
of the default runtime within 2 %, except for MMSegmentation's U-Net, which has another one.
"""

import argparse
import resource
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.registry import DATASETS, HOOKS
from mmseg.structures import SegDataSample

from benchmarks import networks
from benchmarks.harness import Contender, Row, compare
from benchmarks.memory import synchronize, use
from benchmarks.report import MIB, Report, Target, at_least, parser
from benchmarks.training_contenders import mmsegmentation
from benchmarks.workers import Worker
from mmseg_attn.apps.cli import run_cli
from mmseg_attn.engine.allocation import keep_freed_memory

DEFAULT, FAST, STOCK = 'default runtime', 'fast runtime', 'MMSegmentation UNet, default runtime'
KEPT = 'kept memory alone'
CHANGES = {  # relative to the default runtime
    DEFAULT: {},
    'bfloat16 alone': {'optim_wrapper.type': 'mmseg.BF16OptimWrapper'},
    'fused optimizer alone': {'optim_wrapper.optimizer.fused': True},
    KEPT: {},
    FAST: {'runner_type': 'FastRunner'},
    'fast runtime, compiled': {'runner_type': 'FastRunner', 'compile': True},
    STOCK: {},
}
TOLERANCE = 0.02


@DATASETS.register_module()
class RandomImages(torch.utils.data.Dataset):
    """Provide a few random images with random labels."""

    def __init__(self, size: int, number: int) -> None:
        random = torch.Generator().manual_seed(0)
        shape = number, 3, size, size
        self.images = torch.randint(256, shape, generator=random, dtype=torch.uint8)
        self.labels = torch.randint(networks.CLASSES, (number, 1, size, size), generator=random)
        self.metainfo = dict(classes=tuple(map(str, range(networks.CLASSES))))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict:
        size = self.images.shape[2:]
        meta = dict.fromkeys(('ori_shape', 'img_shape', 'pad_shape'), size)
        sample = SegDataSample(metainfo=meta, gt_sem_seg=PixelData(data=self.labels[index]))
        return dict(inputs=self.images[index], data_samples=sample)


@HOOKS.register_module()
class TurnHook(Hook):
    """Send loss and peak memory after every iteration, and wait for the next turn."""

    priority = 'LOWEST'
    connection: Connection  # set on the class, since a config cannot hold it

    def __init__(self, device: str) -> None:
        self.device = device

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: dict
    ) -> None:
        synchronize(self.device)
        loss = outputs['loss'].item()
        self.connection.send((loss, peak(self.device)))
        self.connection.recv()


def peak(device: str) -> int:
    """Return the peak memory of this process in bytes; on a GPU, that of its tensors."""
    if device.startswith('cuda'):
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts KiB


def config(name: str, args: argparse.Namespace, work_dir: str) -> Config:
    """Return the config of a contender's training."""
    cfg = networks.load('U-Net', args.base)
    if name == STOCK:
        preprocessor = cfg.model.data_preprocessor
        cfg.model = dict(mmsegmentation(args.base), data_preprocessor=preprocessor)
    cfg.model.decode_head.loss_decode = dict(type='CrossEntropyLoss', avg_non_ignore=True)
    for loop in ('val', 'test'):
        for key in ('dataloader', 'cfg', 'evaluator'):
            cfg[f'{loop}_{key}'] = None
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=10**6)
    cfg.train_dataloader = dict(
        batch_size=args.batch,
        num_workers=0,
        sampler=dict(type='InfiniteSampler', shuffle=False),
        dataset=dict(type='RandomImages', size=args.size, number=2 * args.batch),
    )
    for hook in (
        'dataset_check',
        'per_class',
        'visualization',
    ):  # they need real data or a validation
        cfg.default_hooks.pop(hook)
    cfg.env_cfg.mp_cfg.mp_start_method = 'spawn'  # like this process
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', interval=-1)
    cfg.log_processor.by_epoch = False
    cfg.custom_hooks = [dict(type='TurnHook', device=args.device)]
    cfg.merge_from_dict({**CHANGES.get(name, {}), 'work_dir': work_dir, 'log_level': 'ERROR'})
    return cfg


def work(connection: Connection, name: str, args: argparse.Namespace) -> None:
    """Train in a process of its own."""
    torch.set_num_threads(args.threads)
    use(args.device)  # the runner uses the current GPU
    TurnHook.connection = connection
    if name == KEPT:
        keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        cfg = config(name, args, folder)
        runner = RUNNERS.build(cfg) if cfg.get('runner_type') else Runner.from_cfg(cfg)
        runner.train()


class Training:
    """Run an iteration in a process at each call; a contender.

    Args:
        name: Name of the contender.
        args: The command-line options.
    """

    def __init__(self, name: str, args: argparse.Namespace) -> None:
        self.name, self.args = name, args
        self.losses: list[float] = []
        self.peak: int | None = None

    def build(self) -> Callable[[], float]:
        """Start the process and wait for the end of its first iteration."""
        # the runner uses any GPU that it sees
        hidden = {} if self.args.device.startswith('cuda') else {'CUDA_VISIBLE_DEVICES': ''}
        self.worker = Worker(self.name, work, self.name, self.args, environment=hidden)
        self._receive(self.worker.receive())
        return self.iterate

    def iterate(self) -> float:
        """Run an iteration and return the first loss."""
        self._receive(self.worker.turn())
        return self.losses[0]

    def _receive(self, turn: tuple[float, int]) -> None:
        loss, self.peak = turn
        self.losses.append(loss)

    def close(self) -> None:
        """End the process."""
        if hasattr(self, 'worker'):
            self.worker.close()


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument('--base', type=at_least(2), default=64, help='default: %(default)s')
    options.add_argument('--size', type=at_least(32), default=256, help='default: %(default)s')
    options.add_argument('--batch', type=at_least(1), default=2, help='default: %(default)s')
    options.add_argument(
        '--compiled', action='store_true', help='torch.compile, too; takes minutes'
    )
    options.add_argument(
        '--contenders', nargs='+', choices=CHANGES, metavar='NAME', help='some only'
    )
    return options.parse_args(argv)


def contenders(args: argparse.Namespace) -> list[str]:
    """Return the names of the contenders, always with the default runtime."""
    selected = args.contenders or [
        name
        for name, changes in CHANGES.items()
        if (args.compiled or 'compile' not in changes) and (args.device == 'cpu' or name != KEPT)
    ]
    return list(dict.fromkeys([DEFAULT, *selected]))


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    report = Report(args)
    args.threads = torch.get_num_threads()
    trainings = {name: Training(name, args) for name in contenders(args)}

    def check(name: str) -> Callable[[float], None]:
        def compare_with_default(loss: float) -> None:
            expected = loss if name == STOCK else trainings[DEFAULT].losses[0]
            if not abs(loss - expected) <= TOLERANCE * abs(expected):
                raise ValueError(f'its first loss is {loss:.4g} instead of {expected:.4g}')

        return compare_with_default

    try:
        rows = compare(
            [Contender(name, training.build, check(name)) for name, training in trainings.items()],
            DEFAULT,
            repeats=args.repeats,
            device=args.device,
            memory=False,
        )
    finally:
        for training in trainings.values():
            training.close()

    def more(row: Row) -> dict:
        return {
            'gain': 1 / row.ratio,
            'images per second': args.batch / row.median,
            'peak of the process, MiB': trainings[row.name].peak / MIB,
        }

    title = f'training iteration, U-Net, base width {args.base}, batch {args.batch}'
    report.timings(f'{title}, {args.size}x{args.size}', rows, DEFAULT, more)
    report.targets += targets({row.name: row for row in rows}, args)
    report.close()


def targets(rows: dict[str, Row], args: argparse.Namespace) -> list[Target]:
    """Return the target for the fast runtime."""
    over = STOCK if args.device.startswith('cuda') else DEFAULT
    if not {over, FAST} <= set(rows):
        return []
    gain = rows[over].ratio / rows[FAST].ratio
    return [Target(f'base {args.base}: time, {over} / {FAST}', 2.5, gain, at_least=True)]


if __name__ == '__main__':
    run_cli(main)

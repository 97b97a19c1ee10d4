"""Measure the training speed of a U-Net with one process and with several.

    python -m benchmarks.processes [--processes 1 2] [--json FILE]

Every process has one thread (or ``--threads``) and its own batch; gradients are averaged by gloo on
the CPU and by NCCL on GPUs, one for each process. The numbers of processes take turns. A
measurement is valid only if all processes end with the same finite weights.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from torch import Tensor

from benchmarks import networks
from benchmarks.memory import synchronize, use
from benchmarks.report import Report, at_least, parser
from mmseg_attn.apps.cli import run_cli
from mmseg_attn.errors import DataError

ROOT = Path(__file__).resolve().parents[1]
WARM_UP = 2  # steps


def work(args: argparse.Namespace) -> None:
    """Train in one of the processes; the first one writes the time of each step."""
    torch.set_num_threads(args.threads)
    on_gpu = args.device.startswith('cuda')
    dist.init_process_group('nccl' if on_gpu else 'gloo')
    rank = dist.get_rank()
    device = f'cuda:{rank}' if on_gpu else 'cpu'
    use(device)
    cfg = networks.load('U-Net', args.width)
    torch.manual_seed(rank)  # the wrapper makes the weights equal
    model = MMDistributedDataParallel(
        MODELS.build(cfg.model).to(device).train(), device_ids=[rank] if on_gpu else None
    )
    optim_wrapper = build_optim_wrapper(
        model, dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4))
    )
    data = networks.batch((args.size, args.size), args.batch)
    for sample in data['data_samples']:
        labels = torch.randint(networks.CLASSES, (1, args.size, args.size))
        sample.gt_sem_seg = PixelData(data=labels)
    seconds = []
    for _ in range(WARM_UP + args.steps):
        begin = time.perf_counter()
        model.train_step(data, optim_wrapper)
        synchronize(device)
        dist.barrier()
        seconds.append(time.perf_counter() - begin)
    same = agree(torch.cat([p.detach().flatten() for p in model.parameters()]))
    if rank == 0:
        args.out.write_text(json.dumps(dict(seconds=seconds[WARM_UP:], same=same)))
    dist.barrier()
    os._exit(0)  # a regular shutdown of gloo can deadlock (PyTorch 2.13)


def agree(weights: Tensor) -> bool:
    """Tell whether all processes have the same finite weights."""
    first = weights.clone()
    dist.broadcast(first, 0)
    valid = torch.equal(first, weights) and bool(weights.isfinite().all())
    flag = weights.new_tensor(float(valid))  # reduced in place, so it must be on the device
    dist.all_reduce(flag, dist.ReduceOp.MIN)
    return bool(flag)


def launch(number: int, args: argparse.Namespace) -> float:
    """Run a number of processes and return the median time of a step in seconds.

    Raises:
        DataError: If they fail or disagree.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / 'result.json'
        command = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
        command += [f'--nproc_per_node={number}', '-m', 'benchmarks.processes', '--out', str(out)]
        for name in ('device', 'threads', 'width', 'size', 'batch', 'steps'):
            command += [f'--{name}', str(getattr(args, name))]
        environment = os.environ | dict(OMP_NUM_THREADS=str(args.threads))
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
        if not out.exists():
            raise DataError(f'{number} processes failed:\n{done.stderr}')
        result = json.loads(out.read_text())
    if not result['same']:
        raise DataError(f'{number} processes ended with different weights')
    return statistics.median(result['seconds'])


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument(
        '--processes', type=at_least(1), nargs='+', default=[1, 2], help='default: 1 2'
    )
    options.add_argument('--width', type=at_least(1), default=16, help='default: %(default)s')
    options.add_argument('--size', type=at_least(16), default=256, help='default: %(default)s')
    options.add_argument('--batch', type=at_least(1), default=2, help='per process; default: 2')
    options.add_argument('--steps', type=at_least(1), default=5, help='timed; default: %(default)s')
    options.add_argument('--out', type=Path, help=argparse.SUPPRESS)  # set in the worker processes
    options.set_defaults(threads=1)
    args = options.parse_args(argv)
    if args.device.startswith('cuda:'):
        options.error(f'--device {args.device}: each process uses its own GPU; use cuda')
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if args.out:
        work(args)
    report = Report(args)
    numbers = list(dict.fromkeys(args.processes))
    if args.device == 'cuda':
        use(f'cuda:{max(numbers) - 1}')
    turns: dict[int, list[float]] = {number: [] for number in numbers}
    for _ in range(args.repeats):
        for number in numbers:
            turns[number].append(launch(number, args))
    speeds = {n: statistics.median(n * args.batch / s for s in turns[n]) for n in numbers}
    rows = [
        {
            'processes': n,
            'step, ms': 1e3 * statistics.median(turns[n]),
            'images per second': speeds[n],
            f'relative to {numbers[0]}': speeds[n] / speeds[numbers[0]],
        }
        for n in numbers
    ]
    title = (
        f'U-Net, base width {args.width}, {args.size}x{args.size}, batch {args.batch} and '
        f'{args.threads} threads per process'
    )
    report.table(title, rows)
    report.close()


if __name__ == '__main__':
    run_cli(main)

"""Measure what a config takes on this machine: time and memory."""

import os
import time
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import MODELS

from .choices import Machine

WARM_UP, STEPS, SECONDS = 2, 5, 20.0
VALIDATED = 3  # images


class Speed(NamedTuple):
    """Seconds of an iteration, of a validation image, and until the first iteration."""

    step: float
    image: float
    start: float


def this_machine() -> Machine:
    """Return where a training on this machine runs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    if torch.cuda.is_available():
        return Machine('cuda', torch.cuda.mem_get_info()[0], cores or 1)
    return Machine('cpu', _free_memory(), cores or 1)


def measure_speed(file: Path, machine: Machine) -> Speed:
    """Train a few iterations and predict a few validation images with a config.

    Args:
        file: The config.
        machine: The machine.

    Returns:
        The medians of the times, with loading.
    """
    begin = time.perf_counter()
    cfg = Config.fromfile(file)
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    loader = Runner.build_dataloader(_without_persistence(cfg.train_dataloader), seed=0)
    model = MODELS.build(cfg.model).to(machine.device)
    model.train()
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    batches, times = iter(loader), []
    limit = time.perf_counter() + SECONDS
    for i in range(WARM_UP + STEPS):
        started = time.perf_counter()
        model.train_step(next(batches), optim_wrapper=optimizer)
        _wait(machine)
        if i == 0:
            start = time.perf_counter() - begin
        elif i >= WARM_UP or time.perf_counter() > limit:
            times.append(time.perf_counter() - started)
        if time.perf_counter() > limit and times:
            break
    del batches
    model.eval()
    images = []
    validation = Runner.build_dataloader(_without_persistence(cfg.val_dataloader), seed=0)
    for i, batch in enumerate(validation):
        started = time.perf_counter()
        with torch.no_grad():
            model.val_step(batch)
        _wait(machine)
        images.append(time.perf_counter() - started)
        if i + 1 >= VALIDATED or time.perf_counter() > limit + SECONDS:
            break
    return Speed(_median(times), _median(images), start)


def _without_persistence(loader: dict) -> dict:
    """Load in this process: its time is an upper bound, and no process is left."""
    return dict(loader, num_workers=0, persistent_workers=False)


def _wait(machine: Machine) -> None:
    if machine.device != 'cpu':
        torch.cuda.synchronize()


def _median(times: list[float]) -> float:
    return sorted(times)[len(times) // 2]


def _free_memory() -> int:
    """Return the free memory of the system; 4 GiB if it does not tell."""
    try:
        for line in Path('/proc/meminfo').read_text().splitlines():
            if line.startswith('MemAvailable:'):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 4 * 2**30

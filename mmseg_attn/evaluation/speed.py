"""Measure the speed of a model."""

import statistics
import time
from typing import NamedTuple

import torch
from mmengine.config import Config
from mmseg.apis import init_model
from mmseg.structures import SegDataSample

WARM_UP = 3  # batches that are not measured


class Speed(NamedTuple):
    """Hold the measured speed and memory.

    Attributes:
        median: Median time of a batch in seconds.
        fastest: Time of the fastest batch in seconds.
        slowest: Time of the slowest batch in seconds.
        memory: Peak memory on a GPU in bytes; 0 on other devices.
        device: Name of the device.
    """

    median: float
    fastest: float
    slowest: float
    memory: int
    device: str


def measure(
    cfg: Config,
    shape: tuple[int, int, int],
    *,
    batch_size: int = 1,
    repeats: int = 20,
    device: str = 'cpu',
    amp: bool = False,
) -> Speed:
    """Time a model with random weights on random images.

    Args:
        cfg: The config; it is changed.
        shape: Channels, height and width of the images.
        batch_size: Images per batch.
        repeats: Number of batches.
        device: Device that the model runs on.
        amp: Whether to compute in mixed precision.
    """
    model = init_model(cfg, device=device)
    on_gpu = device.startswith('cuda')
    size = dict.fromkeys(('ori_shape', 'img_shape', 'pad_shape'), shape[1:])
    batch = dict(
        inputs=[torch.randint(256, shape, dtype=torch.uint8) for _ in range(batch_size)],
        data_samples=[SegDataSample(metainfo=size) for _ in range(batch_size)],
    )
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    seconds = []
    with torch.no_grad(), torch.autocast(torch.device(device).type, enabled=amp):
        for _ in range(WARM_UP + repeats):
            begin = time.perf_counter()
            model.test_step(batch)
            if on_gpu:
                torch.cuda.synchronize(device)
            seconds.append(time.perf_counter() - begin)
    measured = seconds[WARM_UP:]
    return Speed(
        statistics.median(measured),
        min(measured),
        max(measured),
        torch.cuda.max_memory_allocated(device) if on_gpu else 0,
        torch.cuda.get_device_name(device) if on_gpu else f'{device}, {threads()}',
    )


def threads() -> str:
    """Return the number of PyTorch's threads as text."""
    number = torch.get_num_threads()
    return f'{number} thread{"s" if number > 1 else ""}'

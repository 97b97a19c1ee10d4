"""How long a model takes."""

import statistics
import time
from typing import NamedTuple

import torch
from mmengine.config import Config
from mmseg.apis import init_model
from mmseg.structures import SegDataSample

WARM_UP = 3  # batches that are not measured


class Speed(NamedTuple):
    """Seconds per batch.

    Attributes:
        median: Of all batches.
        fastest: The least.
        slowest: The most.
        memory: The most bytes that were in use on a GPU; 0 elsewhere.
        device: The name of the device.
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
        device: Where the model runs.
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
    """The threads that PyTorch computes with."""
    number = torch.get_num_threads()
    return f'{number} thread{"s" if number > 1 else ""}'

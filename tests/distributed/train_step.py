"""Run by two processes: two training steps on different data, then the same loss on both ranks.

torchrun --nproc_per_node 2 train_step.py CONFIG
"""

import os
import sys

import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

import mmseg_attn  # noqa: F401  registers the parts


def batch(cfg: Config, seed: int) -> dict:
    generator = torch.Generator().manual_seed(seed)
    channels, classes = cfg.model.backbone.in_channels, cfg.model.decode_head.num_classes
    images = torch.randint(256, (2, channels, 32, 32), generator=generator, dtype=torch.uint8)
    labels = torch.randint(classes, (2, 1, 32, 32), generator=generator)
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]
    return dict(inputs=list(images), data_samples=samples)


def main() -> None:
    torch.set_num_threads(1)
    dist.init_process_group('gloo')
    init_default_scope('mmseg')
    cfg = Config.fromfile(sys.argv[1])
    torch.manual_seed(dist.get_rank())  # different weights: wrapping must make them equal
    model = MMDistributedDataParallel(
        MODELS.build(cfg.model), broadcast_buffers=False, find_unused_parameters=False
    )
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    for step in range(2):  # the second step fails if the first left a parameter without gradient
        model.train_step(batch(cfg, seed=10 * step + dist.get_rank()), optim_wrapper)
    data = model.module.data_preprocessor(batch(cfg, seed=99), training=True)
    loss, _ = model.module.parse_losses(model.module(**data, mode='loss'))
    losses = [torch.zeros_like(loss.detach()) for _ in range(dist.get_world_size())]
    dist.all_gather(losses, loss.detach())
    assert torch.isfinite(loss), f'loss {loss}'
    assert torch.equal(losses[0], losses[1]), f'the ranks disagree: {losses}'
    dist.barrier()
    os._exit(0)  # taking gloo down in order can deadlock (PyTorch 2.13)


if __name__ == '__main__':
    main()

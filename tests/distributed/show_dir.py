"""Run by several processes: draw an image each, as in a test with --show-dir.

show_dir.py FOLDER
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
import torch.distributed as dist
from leaving import leave
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import HOOKS, VISUALIZERS
from mmseg.structures import SegDataSample
from PIL import Image

import mmseg_attn  # noqa: F401  registers the hook


def main() -> None:
    folder = Path(sys.argv[1])
    dist.init_process_group('gloo')
    init_default_scope('mmseg')
    path = folder / f'{dist.get_rank()}.tif'
    Image.fromarray(np.full((8, 8), 100, np.uint8)).save(path)
    sample = SegDataSample(metainfo=dict(img_path=str(path)))
    sample.pred_sem_seg = PixelData(data=torch.zeros(1, 8, 8, dtype=torch.long))
    settings = dict(save_dir=str(folder / 'show'))
    metainfo = dict(classes=['cell'], palette=[[255, 0, 0]])
    visualizer = VISUALIZERS.build(dict(type='SegComparisonVisualizer', name='it', **settings))
    visualizer.dataset_meta = metainfo  # as MMEngine's loop does; the second rank forgets it
    hook = HOOKS.build(dict(type='SegPictureHook', interval=1, draw=True))
    dataset = SimpleNamespace(data_prefix=dict(img_path=str(folder)), metainfo=metainfo)
    runner = SimpleNamespace(
        cfg=Config(dict(visualizer=settings)), test_dataloader=SimpleNamespace(dataset=dataset)
    )
    hook.after_test_iter(runner, 0, None, [sample])
    leave(folder)


if __name__ == '__main__':
    main()

"""Results of models on a few images, by hand."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmseg_attn.apps.report import GroupResult, RunResult
from mmseg_attn.apps.report.evaluation import Evaluation, Prediction, pack
from mmseg_attn.apps.runs import Group, Run
from mmseg_attn.apps.runs.log import find_launches
from mmseg_attn.evaluation.confusion import confusion
from tests.data.work_dirs import write_start

CLASSES = ['wall & <b>', 'cell']
PALETTE = [[0, 60, 120], [250, 240, 200]]
CONFIG = Path('configs/unet/unet-b16_1xb4-600i_drosophila-128x128.py')
ROOT = Path(__file__).resolve().parents[3]


class Images:
    """A dataset of gray images of 6 x 8 pixels: walls to the left, cells, no label below."""

    @staticmethod
    def truth(index: int) -> np.ndarray:
        labels = np.ones((6, 8), dtype=np.int64)
        labels[:, : index + 1] = 0
        labels[5] = 255
        return labels

    def __getitem__(self, index: int) -> dict:
        sample = SegDataSample()
        sample.gt_sem_seg = PixelData(data=torch.from_numpy(self.truth(index))[None])
        image = torch.arange(48, dtype=torch.uint8).reshape(1, 6, 8) * 5
        return dict(inputs=image, data_samples=sample)


def make_evaluation(shift: int = 1, first: int = 0) -> Evaluation:
    """Evaluate a model that shifts the border of image i of four by ``shift * i``."""
    dataset, images = Images(), []
    for index in range(4):
        labels = np.ones((6, 8), dtype=np.uint8)
        labels[:, : index + 1 + shift * index] = 0
        counts = confusion(dataset.truth(index), labels.astype(np.int64), 2)
        path = f'/data/<{first + index}>.png'
        images.append(Prediction(path, index, counts, pack(labels), labels.shape))
    return Evaluation(CLASSES, PALETTE, dataset, images)


@cache
def small_config() -> str:
    """The config of a small U-Net as a training writes it down."""
    cfg = Config.fromfile(ROOT / CONFIG)
    cfg.model.backbone.channels = cfg.model.decode_head.in_channels = [2, 3]
    return cfg.pretty_text


def make_run(folder: Path) -> Run:
    """Write a work directory with a log, a config and an empty checkpoint."""
    scores = {
        step: {'mIoU': value, f'IoU.{CLASSES[0]}': value - 5, 'IoU.cell': value + 5}
        for step, value in ((50, 30.0), (100, 40.0))
    }
    write_start(folder / '20240102_030405', losses={50: 1.0, 100: 0.5}, scores=scores)
    config, checkpoint = folder / CONFIG.name, folder / 'best_mIoU_iter_100.pth'
    config.write_text(small_config())
    checkpoint.touch()
    return Run(folder, folder.name, find_launches(folder), config, checkpoint)


def make_result(folder: Path, name: str, *shifts: int) -> GroupResult:
    """Make a group of runs with predictions."""
    results = []
    for number, shift in enumerate(shifts):
        evaluation = make_evaluation(shift)
        run = make_run(folder / (f'{name}{number}' if len(shifts) > 1 else name))
        results.append(RunResult(run, evaluation.metrics, 'test set', evaluation))
    return GroupResult(Group(name, [result.run for result in results]), results)


def make_bare(folder: Path, name: str) -> GroupResult:
    """Make a group of one run of which the log alone is left."""
    write_start(folder / name / '20240102_030405', losses={1: 1.0}, log=False)
    run = Run(folder / name, name, find_launches(folder / name), None, None)
    return GroupResult(Group(name, [run]), [RunResult(run, missing=f'{name} holds no config')])

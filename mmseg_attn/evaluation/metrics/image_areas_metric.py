"""Write the areas from which IoU, Dice, precision and recall of any set of images follow."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS

from ...io import write_file
from .per_class_iou_metric import PerClassIoUMetric


@METRICS.register_module()
class ImageAreasMetric(BaseMetric):
    """Write the areas of each class in each image to a JSON file, and return no metric.

    The file contains ``classes`` and ``images``. Of each image it has three lists with an area in
    pixels per class: intersection of prediction and label, prediction, and label. Images are named
    by their path below the folder that all of them have in common. Summed over images, the areas
    give the values of ``PerClassIoUMetric`` exactly.

    Args:
        out_file: The JSON file.
        ignore_index: Label of the ignored pixels.
        kwargs: Arguments of MMEngine's ``BaseMetric``.
    """

    default_prefix = ''  # no prefix; None would cause a warning of MMEngine

    def __init__(self, *, out_file: str, ignore_index: int = 255, **kwargs: Any):
        super().__init__(**kwargs)
        self.out_file = out_file
        self.ignore_index = ignore_index

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Store the path and the areas of each image.

        Args:
            data_batch: Not used.
            data_samples: Predictions and ground truth, ``(1, H, W)``, with ``img_path``.
        """
        meta: Any = self.dataset_meta
        for sample in data_samples:
            predicted = sample['pred_sem_seg']['data'].squeeze(0)
            label = sample['gt_sem_seg']['data'].squeeze(0).to(predicted.device)
            intersection, _, *areas = PerClassIoUMetric.intersect_and_union(
                predicted, label, len(meta['classes']), self.ignore_index
            )
            lists = [area.tolist() for area in (intersection, *areas)]
            self.results.append((sample['img_path'], lists))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Write the file.

        Args:
            results: Path and areas of each image.

        Returns:
            No metric.
        """
        meta: Any = self.dataset_meta
        folder = os.path.commonpath([Path(path).parent for path, _ in results])
        images = {Path(path).relative_to(folder).as_posix(): areas for path, areas in results}
        write_file(self.out_file, json.dumps(dict(classes=list(meta['classes']), images=images)))
        return {}

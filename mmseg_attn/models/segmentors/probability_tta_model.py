"""Test-time augmentation that averages probabilities, also for heads with one output channel."""

from typing import Any

import torch
from mmengine.model import is_model_wrapper
from mmengine.structures import PixelData
from mmseg.models import SegTTAModel
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from ...errors import DataError
from ..label_rule import LabelRule
from .ensemble_segmentor import EPS


@MODELS.register_module()
class ProbabilityTTAModel(SegTTAModel):
    """Average the probabilities of augmented images, also for heads with one output channel.

    For a head with one output channel, MMSegmentation's ``predict`` returns the probability of
    class 1 instead of logits, and ``SegTTAModel`` applies the sigmoid again: all results are
    between 0.5 and 0.73, so every pixel exceeds a threshold below 0.5. Here the probabilities
    themselves are averaged. With more channels both classes give the same labels, but
    ``SegTTAModel`` of MMSegmentation 1.1.0 needs ground truth.
    """

    def merge_preds(self, data_samples_list: list[list[SegDataSample]]) -> list[SegDataSample]:
        """Merge the predictions for the augmented versions of each image.

        Args:
            data_samples_list: For each image, the samples of its versions.

        Returns:
            One sample per image, whose ``seg_logits`` are the logarithms of the mean probabilities
            (with one output channel, the mean probability of class 1, as MMSegmentation has it).
        """
        rule = LabelRule.of(self.module)
        merged = []
        for versions in data_samples_list:
            stored = torch.stack([version.seg_logits.data for version in versions])
            if rule.channels == 1:
                logits = stored.mean(dim=0)
                labels = rule.above(logits)
            else:
                mean = stored.softmax(dim=1).mean(dim=0)
                labels, logits = mean.argmax(dim=0), mean.clamp(EPS).log()
            sample = versions[-1]
            sample.set_data(
                dict(pred_sem_seg=PixelData(data=labels), seg_logits=PixelData(data=logits))
            )
            if 'gt_sem_seg' in versions[0]:
                sample.set_data(dict(gt_sem_seg=versions[0].gt_sem_seg))
            sample.set_metainfo(dict(img_path=versions[0].img_path))
            merged.append(sample)
        return merged


def check_tta(model: nn.Module) -> None:
    """Refuse test-time augmentation that applies the sigmoid twice.

    Raises:
        DataError: If the model is MMSegmentation's ``SegTTAModel`` with one output channel.
    """
    merging: Any = model.module if is_model_wrapper(model) else model
    if type(merging) is SegTTAModel and LabelRule.of(merging.module).channels == 1:
        raise DataError(
            'SegTTAModel applies the sigmoid twice for a head with one output channel, so its '
            "labels are wrong: set tta_model=dict(type='ProbabilityTTAModel') in the config"
        )

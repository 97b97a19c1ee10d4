"""The loss on the validation and test sets; "loss rate", eq. 3 of the CSAM-ResUNet paper."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS, MODELS
from torch import nn

from ...errors import DataError
from ...models.label_rule import LabelRule
from .labeled import check_labeled

ONE_CHANNEL = (
    'LossMetric needs one logit per class, but the decode head has one channel, of which '
    'MMSegmentation keeps the sigmoid alone: set its out_channels and its num_classes to 2, or '
    'take LossMetric out of the evaluators'
)


@METRICS.register_module()
class LossMetric(BaseMetric):
    """``mean_loss``: the mean over the images of the loss of each, as a batch of its own.

    It is computed from the logits at the size of the original image, where MMSegmentation's
    prediction leaves them; auxiliary heads have no part in it. Images with nothing but ignored
    pixels do not count. With test-time augmentation the logits are those of one augmentation.

    The name is not ``loss`` because loggers would mix it with that of the training. MMEngine logs
    whatever is called loss as the mean over ten values, here over ten validations, unless told
    ``log_processor=dict(custom_cfg=[dict(data_src='mean_loss', method_name='current')])``.
    Early stopping and ``save_best`` always get the value itself.

    Args:
        loss_decode: Config of the loss or losses, the same as the decode head's; those whose
            ``loss_name`` contains ``loss`` are added up, as in training.
        ignore_index: Label of the pixels that do not count.
        kwargs: What MMEngine's ``BaseMetric`` takes.
    """

    default_prefix = ''  # names have none; MMEngine warns of None

    def __init__(
        self, *, loss_decode: dict | Sequence[dict], ignore_index: int = 255, **kwargs: Any
    ):
        super().__init__(**kwargs)
        configs = [loss_decode] if isinstance(loss_decode, dict) else loss_decode
        losses = [MODELS.build(config) for config in configs]
        self.losses = nn.ModuleList(loss for loss in losses if 'loss' in loss.loss_name)
        self.ignore_index = ignore_index

    def check_model(self, segmentor: nn.Module) -> None:
        """Refuse a model whose logits are not to be had; ``DatasetCheckHook`` asks at the start.

        Raises:
            DataError: If its head has one output channel, of which MMSegmentation keeps no logit.
        """
        if LabelRule.of(segmentor).channels == 1:
            raise DataError(ONE_CHANNEL)

    @torch.no_grad()
    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep the loss of each image, and whether it counts.

        Args:
            data_batch: Not used.
            data_samples: Predictions, with the ground truth.

        Raises:
            DataError: If there is one score per pixel, of which MMSegmentation keeps no logit.
        """
        for sample in data_samples:
            logits = sample['seg_logits']['data'].unsqueeze(0)  # (1, C, H, W)
            if logits.shape[1] == 1:
                raise DataError(ONE_CHANNEL)
            logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
            label = sample['gt_sem_seg']['data'].to(logits.device).long()  # (1, H, W)
            if (label == self.ignore_index).all():
                self.results.append((0.0, 0))
                continue
            losses = self.losses.to(logits.device)
            values = [loss(logits, label, ignore_index=self.ignore_index) for loss in losses]
            self.results.append((sum(values).item(), 1))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Take the mean over the images.

        Args:
            results: Loss and whether it counts, per image.

        Raises:
            ValueError: If no image counts.
        """
        images = sum(counts for _, counts in results)
        check_labeled(self, results, images)
        return dict(mean_loss=sum(loss for loss, _ in results) / images)

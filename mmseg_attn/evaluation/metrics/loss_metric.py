"""Compute the loss on validation and test sets; "loss rate", eq. 3 of the CSAM-ResUNet paper."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS, MODELS
from torch import nn

from ...errors import DataError
from ...models.label_rule import LabelRule
from .labeled import check_labeled
from .logits import stored_logits

ONE_CHANNEL = (
    'LossMetric needs one logit per class, but the decode head has one output channel, and '
    'MMSegmentation keeps its sigmoid instead of the logit: set out_channels and num_classes to 2, '
    'or remove LossMetric from the evaluators'
)


@METRICS.register_module()
class LossMetric(BaseMetric):
    """Compute ``mean_loss``: the mean over the images of the loss of each, as a batch of its own.

    It is computed from the logits at the size of the original image, as MMSegmentation's prediction
    returns them, without auxiliary heads. Images with only ignored pixels do not count.

    The metric is not called ``loss``, because loggers would mix it with the training loss. MMEngine
    logs every value whose name contains ``loss`` as a mean over ten values, here over ten
    validations, unless the config sets
    ``log_processor=dict(custom_cfg=[dict(data_src='mean_loss', method_name='current')])``.
    Early stopping and ``save_best`` always get the value of one validation.

    Args:
        loss_decode: Config of the loss or losses, usually that of the decode head. As in training,
            those whose ``loss_name`` contains ``loss`` are summed.
        ignore_index: Label of the ignored pixels.
        kwargs: Arguments of MMEngine's ``BaseMetric``.
    """

    default_prefix = ''  # no prefix; None would cause a warning of MMEngine

    def __init__(
        self, *, loss_decode: dict | Sequence[dict], ignore_index: int = 255, **kwargs: Any
    ):
        super().__init__(**kwargs)
        configs = [loss_decode] if isinstance(loss_decode, dict) else loss_decode
        losses = [MODELS.build(config) for config in configs]
        self.losses = nn.ModuleList(loss for loss in losses if 'loss' in loss.loss_name)
        self.ignore_index = ignore_index

    def check_model(self, segmentor: nn.Module) -> None:
        """Refuse a model whose logits are not kept; ``DatasetCheckHook`` calls it at the start.

        Raises:
            DataError: If its head has one output channel, whose logit MMSegmentation does not keep.
        """
        if LabelRule.of(segmentor).channels == 1:
            raise DataError(ONE_CHANNEL)

    @torch.no_grad()
    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Store the loss of each image, and whether it has labeled pixels.

        Args:
            data_batch: Not used.
            data_samples: Predictions with logits ``(C, H, W)`` and ground truth ``(1, H, W)``.

        Raises:
            DataError: If there is one output channel, whose logit MMSegmentation does not keep, or
                the model kept only labels.
        """
        for sample in data_samples:
            logits = stored_logits(self, sample).unsqueeze(0)  # (1, C, H, W)
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
        """Average the loss over the images.

        Args:
            results: Loss, and 1 or 0 for whether there are labeled pixels, per image.

        Returns:
            ``mean_loss``.

        Raises:
            ValueError: If no image has labeled pixels.
        """
        images = sum(counts for _, counts in results)
        check_labeled(self, results, images)
        return dict(mean_loss=sum(loss for loss, _ in results) / images)

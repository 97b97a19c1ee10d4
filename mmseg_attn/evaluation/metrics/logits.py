"""Get the logits that some metrics need, which not every model keeps."""

from typing import Any

from mmengine.evaluator import BaseMetric
from torch import Tensor, nn

from ...errors import DataError
from ...models.segmentors import LargeImageEncoderDecoder

LABELS_ONLY = (
    "{} needs logits, but the model keeps only labels in mode='slide': set "
    'model.test_cfg.keep_logits=True, or remove the metric from the evaluators'
)


def check_logits(metric: BaseMetric, segmentor: nn.Module) -> None:
    """Refuse a model that keeps only labels.

    Raises:
        DataError: If it is a ``LargeImageEncoderDecoder`` in ``mode='slide'`` without
            ``keep_logits``.
    """
    cfg: Any = getattr(segmentor, 'test_cfg', None) or {}
    slides = isinstance(segmentor, LargeImageEncoderDecoder) and cfg.get('mode') == 'slide'
    if slides and not cfg.get('keep_logits', False):
        raise DataError(LABELS_ONLY.format(type(metric).__name__))


def stored_logits(metric: BaseMetric, sample: dict) -> Tensor:
    """Return what MMSegmentation stores as logits of a sample, ``(C, H, W)``.

    Raises:
        DataError: If the model did not keep them.
    """
    if 'seg_logits' not in sample:
        raise DataError(LABELS_ONLY.format(type(metric).__name__))
    return sample['seg_logits']['data']

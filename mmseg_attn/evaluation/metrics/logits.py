"""Get the logits that some metrics need, which not every model keeps."""

from mmengine.evaluator import BaseMetric
from torch import Tensor

from ...errors import DataError


def stored_logits(metric: BaseMetric, sample: dict) -> Tensor:
    """Return what MMSegmentation stores as logits of a sample, ``(C, H, W)``.

    Raises:
        DataError: If the model keeps only labels, as ``LargeImageEncoderDecoder`` may.
    """
    if 'seg_logits' not in sample:
        raise DataError(
            f'{type(metric).__name__} needs logits, but the model keeps only the labels of its '
            'windows: set keep_logits=True in its test_cfg (in an ensemble, in that of its '
            'models), or remove the metric from the evaluators'
        )
    return sample['seg_logits']['data']

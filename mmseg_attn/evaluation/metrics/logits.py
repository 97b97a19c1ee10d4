"""Get the logits that some metrics need, which not every model keeps."""

from mmengine.evaluator import BaseMetric
from torch import Tensor

from ...errors import DataError
from ...models.label_rule import stored_probabilities
from .maps import check_sizes


def stored_logits(metric: BaseMetric, sample: dict) -> Tensor:
    """Return what MMSegmentation stores as logits of a sample, ``(C, H, W)``.

    Raises:
        DataError: If the model keeps only labels, as ``LargeImageEncoderDecoder`` may, or logits
            and labels differ in size.
    """
    if 'seg_logits' not in sample:
        raise DataError(
            f'{type(metric).__name__} needs logits, but the model keeps only the labels of its '
            'windows: set keep_logits=True in its test_cfg (in an ensemble, in that of its '
            'models), or remove the metric from the evaluators'
        )
    logits = sample['seg_logits']['data']
    check_sizes(sample, logits.shape[-2:], sample['gt_sem_seg']['data'].shape[-2:])
    return logits


def probabilities(metric: BaseMetric, sample: dict) -> Tensor:
    """Return the probabilities of a sample, ``(C, H, W)``.

    Raises:
        DataError: As :func:`stored_logits`.
        ValueError: If a labeled pixel has no probabilities, because of a logit that is NaN or
            infinite.
    """
    p = stored_probabilities(stored_logits(metric, sample))
    label = sample['gt_sem_seg']['data'].squeeze(0).to(p.device)
    if (p.isnan().any(dim=0) & (label != metric.ignore_index)).any():
        raise ValueError(
            f'{type(metric).__name__} has no probabilities for {sample.get("img_path", "an image")}'
            ', since some logits are NaN or infinite: test in float32, or correct the weights'
        )
    return p

"""Get the predicted and the true labels of a sample."""

from collections.abc import Sequence

import numpy as np

from ...errors import DataError


def label_maps(sample: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return the predicted and the true labels of a sample.

    Args:
        sample: A data sample with ``pred_sem_seg`` and ``gt_sem_seg``.

    Returns:
        Predicted and true labels, each ``(H, W)``, int64.

    Raises:
        DataError: If they differ in size.
    """
    predicted, label = (
        sample[name]['data'].cpu().numpy().astype(np.int64)
        for name in ('pred_sem_seg', 'gt_sem_seg')
    )
    predicted, label = (labels.reshape(labels.shape[-2:]) for labels in (predicted, label))
    check_sizes(sample, predicted.shape, label.shape)
    return predicted, label


def check_sizes(sample: dict, predicted: Sequence[int], label: Sequence[int]) -> None:
    """Check that the prediction of a sample has the size of its labels.

    Args:
        sample: The data sample.
        predicted: Height and width of the prediction.
        label: Height and width of the labels.

    Raises:
        DataError: If they differ.
    """
    if tuple(predicted) != tuple(label):
        raise DataError(
            f'the prediction for {sample.get("img_path", "an image")} has the shape '
            f'{tuple(predicted)}, but its labels have the shape {tuple(label)}: load the labels '
            'after Resize in the test pipeline'
        )

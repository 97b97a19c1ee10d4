"""Label pixels by thresholds on the probabilities of some classes."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ...errors import DataError


def decide(probabilities: Tensor, thresholds: Mapping[int, float]) -> Tensor:
    """Label each pixel by thresholds on the probabilities of some classes.

    Args:
        probabilities: ``(C, H, W)``.
        thresholds: Thresholds above 0 by class, of some classes but not of all.

    Returns:
        Labels ``(H, W)``.
    """
    chosen = list(thresholds)
    limits = probabilities.new_tensor(list(thresholds.values()))[:, None, None]
    factor, best = (probabilities[chosen] / limits).max(dim=0)
    others = probabilities.clone()
    others[chosen] = -1
    return torch.where(factor > 1, torch.tensor(chosen, device=best.device)[best], others.argmax(0))


def thresholds_by_number(
    thresholds: Mapping[str, float], classes: Sequence[str]
) -> dict[int, float]:
    """Return thresholds by the number of the class.

    Raises:
        DataError: If a class is unknown, a threshold is not between 0 and 1, or no class is left.
    """
    for name, threshold in thresholds.items():
        if name not in classes:
            raise DataError(
                f'the model has no class {name!r}: set thresholds for some of {", ".join(classes)}'
            )
        if not 0 < threshold < 1:
            raise DataError(
                f'the threshold of {name} is {threshold:g}: set a probability between 0 and 1'
            )
    if thresholds and len(thresholds) == len(classes):
        raise DataError(
            'all classes have a threshold, so pixels below all of them have no class: leave one out'
        )
    return {list(classes).index(name): threshold for name, threshold in thresholds.items()}

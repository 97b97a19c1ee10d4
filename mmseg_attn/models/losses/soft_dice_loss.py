"""Dice loss (Milletari et al., 2016) on probabilities p and labels y: ``2 sum(p y) / sum(p + y)``.

The sums in the denominator are plain, not of squares. MMSegmentation's ``DiceLoss`` takes
``ignore_index`` for a class to drop; here it is a label of pixels, as in its other losses.
"""

from typing import Any

from mmseg.registry import MODELS
from torch import Tensor

from .pixels import OverlapLoss


@MODELS.register_module()
class SoftDiceLoss(OverlapLoss):
    """One minus the soft Dice over the batch, averaged over the classes that occur in the labels.

    Args:
        loss_name: Name in the log.
        kwargs: What :class:`OverlapLoss` takes.
    """

    def __init__(self, *, loss_name: str = 'loss_dice', **kwargs: Any):
        super().__init__(loss_name=loss_name, **kwargs)

    def overlap(self, both: Tensor, predicted: Tensor, labeled: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``2 sum(p y)`` and ``sum(p + y)``, ``(C,)``."""
        return 2 * both, predicted + labeled

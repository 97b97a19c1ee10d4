"""Dice loss (Milletari et al., 2016) on probabilities p and labels y: ``2 sum(p y) / sum(p + y)``.

The sums in the denominator are plain, not of squares. In MMSegmentation's ``DiceLoss``
``ignore_index`` is a class to leave out; here it is the label of ignored pixels, as in its other
losses.
"""

from typing import Any

from mmseg.registry import MODELS
from torch import Tensor

from .pixels import OverlapLoss


@MODELS.register_module()
class SoftDiceLoss(OverlapLoss):
    """Compute one minus the soft Dice over the batch, averaged over the labeled classes.

    Args:
        loss_name: Name in the log.
        kwargs: Arguments of :class:`OverlapLoss`.
    """

    def __init__(self, *, loss_name: str = 'loss_dice', **kwargs: Any):
        super().__init__(loss_name=loss_name, **kwargs)

    def overlap(self, both: Tensor, predicted: Tensor, labeled: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``2 sum(p y)`` and ``sum(p + y)``, ``(C,)``."""
        return 2 * both, predicted + labeled

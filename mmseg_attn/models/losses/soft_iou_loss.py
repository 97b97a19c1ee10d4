"""IoU loss on probabilities: one minus the soft Jaccard index of each class.

The LFA-UNet paper cites the IoU loss for boxes (Zhou et al., 2019); for pixels the sets become sums
of probabilities p and labels y: ``sum(p y) / sum(p + y - p y)``.
"""

from typing import Any

from mmseg.registry import MODELS
from torch import Tensor

from .pixels import OverlapLoss


@MODELS.register_module()
class SoftIoULoss(OverlapLoss):
    """Compute one minus the soft IoU over the batch, averaged over the labeled classes.

    Args:
        loss_name: Name in the log.
        kwargs: Arguments of :class:`OverlapLoss`.
    """

    def __init__(self, *, loss_name: str = 'loss_iou', **kwargs: Any):
        super().__init__(loss_name=loss_name, **kwargs)

    def overlap(self, both: Tensor, predicted: Tensor, labeled: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``sum(p y)`` and ``sum(p + y - p y)``, ``(C,)``."""
        return both, predicted + labeled - both

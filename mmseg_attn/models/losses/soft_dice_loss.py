"""Dice loss (Milletari et al., 2016) on probabilities p and labels y: ``2 sum(p y) / sum(p + y)``.

The sums in the denominator are plain, not of squares. MMSegmentation's ``DiceLoss`` takes
``ignore_index`` for a class to drop; here it is a label of pixels, as in its other losses.
"""

from collections.abc import Sequence

from mmseg.registry import MODELS
from torch import Tensor

from .pixels import PixelLoss, class_areas, weighted_mean


@MODELS.register_module()
class SoftDiceLoss(PixelLoss):
    """One minus the soft Dice over the batch, averaged over the classes that occur in the labels.

    A class without a labelled pixel has no Dice (its gradient would be zero): it is left out.

    Args:
        class_weight: one weight per class in the mean over the classes.
        loss_weight: factor on the loss.
        loss_name: name in the log.
    """

    def __init__(
        self,
        *,
        class_weight: Sequence[float] | str | None = None,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_dice',
    ):
        super().__init__(class_weight=class_weight, loss_weight=loss_weight, loss_name=loss_name)

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        ignore_index: int = 255,
    ) -> Tensor:
        """Compute the loss; zero if every pixel is ignored.

        Args:
            cls_score: logits ``(N, C, H, W)``.
            label: class of each pixel ``(N, H, W)``.
            weight: weight of each pixel ``(N, H, W)``.
            ignore_index: label of the pixels that do not count.

        Returns:
            A scalar.
        """
        logits, label, pixel_weight, class_weight = self.prepare(
            cls_score, label, weight, ignore_index
        )
        intersection, predicted, labelled = class_areas(logits, label, pixel_weight)
        present = labelled > 0
        dice = 2 * intersection / (predicted + labelled).where(present, 1)
        return self.loss_weight * weighted_mean(1 - dice, class_weight * present)

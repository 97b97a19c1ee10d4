"""Focal loss (Lin et al., 2017) over the softmax, for classes that exclude each other.

MMSegmentation's ``FocalLoss`` is the sigmoid form. With ``gamma=0`` this is cross entropy with
class weights, as PyTorch defines its mean.
"""

from collections.abc import Sequence

from mmseg.registry import MODELS
from torch import Tensor

from .pixels import PixelLoss, weighted_mean


@MODELS.register_module()
class SoftmaxFocalLoss(PixelLoss):
    """``-(1 - p_t) ** gamma * log(p_t)``, averaged over the pixels that are not ignored.

    Args:
        gamma: how much easy pixels count less.
        class_weight: one weight per class; the mean is then weighted by the labels' classes.
        loss_weight: factor on the loss.
        loss_name: name in the log.
    """

    def __init__(
        self,
        *,
        gamma: float = 2.0,
        class_weight: Sequence[float] | str | None = None,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_focal',
    ):
        super().__init__(class_weight=class_weight, loss_weight=loss_weight, loss_name=loss_name)
        self.gamma = gamma

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
        log_p = logits.log_softmax(dim=1).gather(1, label.unsqueeze(1)).squeeze(1)  # (N, H, W)
        # the clamp keeps the gradient finite at p = 1 for gamma < 1
        focal = -((-log_p.expm1()).clamp(min=1e-12) ** self.gamma) * log_p
        return self.loss_weight * weighted_mean(focal, pixel_weight * class_weight[label])

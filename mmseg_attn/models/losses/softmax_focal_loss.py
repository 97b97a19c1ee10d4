"""Focal loss (Lin et al., 2017) over the softmax, for mutually exclusive classes.

MMSegmentation's ``FocalLoss`` is the sigmoid form. With ``gamma=0`` this is cross entropy with
class weights, as PyTorch defines its mean.
"""

from typing import Any

from mmseg.registry import MODELS
from torch import Tensor

from .pixels import PixelLoss


@MODELS.register_module()
class SoftmaxFocalLoss(PixelLoss):
    """Compute ``-(1 - p_t) ** gamma * log(p_t)``, averaged over the pixels that are not ignored.

    Args:
        gamma: Exponent that reduces the weight of easy pixels; 0 gives cross entropy.
        loss_name: Name in the log.
        kwargs: Arguments of :class:`PixelLoss`; with ``class_weight`` the mean is weighted by the
            labels' classes.
    """

    def __init__(self, *, gamma: float = 2.0, loss_name: str = 'loss_focal', **kwargs: Any):
        super().__init__(loss_name=loss_name, **kwargs)
        self.gamma = gamma

    def compute(
        self, logits: Tensor, label: Tensor, pixel_weight: Tensor, class_weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compute the focal terms and their weights, ``(N, H, W)``."""
        log_p = logits.log_softmax(dim=1).gather(1, label.unsqueeze(1)).squeeze(1)  # (N, H, W)
        # the clamp keeps the gradient finite at p = 1 for gamma < 1
        focal = -((-log_p.expm1()).clamp(min=1e-12) ** self.gamma) * log_p
        return focal, pixel_weight * class_weight[label]

    def per_pixel(
        self, logits: Tensor, label: Tensor, pixel_weight: Tensor, class_weight: Tensor
    ) -> Tensor:
        """Compute the weighted focal terms, ``(N, H, W)``."""
        values, weights = self.compute(logits, label, pixel_weight, class_weight)
        return values * weights

"""Base classes of the losses: ignored pixels, pixel weights and class weights."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models.losses.utils import get_class_weight
from torch import Tensor, nn

from ..label_rule import class_logits

REDUCTIONS = (None, 'none', 'mean', 'sum')


class PixelLoss(nn.Module):
    """Compute a loss from the class probabilities of each pixel; base class.

    The probabilities are the softmax of the logits. A head with one output channel predicts two
    classes: the sigmoid is the probability of class 1, and one minus the sigmoid that of class 0.

    Args:
        class_weight: One weight per class (two for a head with one output channel), or a JSON or
            NumPy file with them; ``None`` weighs all classes equally.
        loss_weight: Factor on the loss.
        loss_name: Name in the log; it takes part in training if it starts with ``loss_``.
    """

    class_weight: Tensor | None

    def __init__(
        self,
        *,
        class_weight: Sequence[float] | str | None = None,
        loss_weight: float = 1.0,
        loss_name: str,
    ):
        super().__init__()
        weights = get_class_weight(class_weight)
        buffer = None if weights is None else torch.as_tensor(weights, dtype=torch.float32)
        self.register_buffer('class_weight', buffer, persistent=False)
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
        ignore_index: int = 255,
        **kwargs: Any,
    ) -> Tensor:
        """Compute the loss in at least float32; the arguments are those of MMSegmentation's losses.

        It is zero, with zero gradients, if every pixel is ignored or there are no pixels, and
        finite for all logits in the range of float16.

        Args:
            cls_score: Logits ``(N, C, H, W)``; one channel means two classes.
            label: Class of each pixel ``(N, H, W)``.
            weight: Weight of each pixel ``(N, H, W)``, from a pixel sampler.
            avg_factor: Divisor of the sum, instead of the sum of the weights.
            reduction_override: ``'none'`` for a value per pixel, which samplers need; ``'sum'`` for
                their sum; ``None`` or ``'mean'`` for their weighted mean, the loss.
            ignore_index: Label of the ignored pixels.
            kwargs: Arguments that MMSegmentation passes to other losses; they are not used.

        Returns:
            A scalar; with ``'none'``, ``(N, H, W)`` with zeros for ignored pixels.

        Raises:
            ValueError: If there is not one weight per class, or the reduction is unknown.
        """
        summed = reduction_override == 'sum'
        if reduction_override not in REDUCTIONS or (summed and avg_factor is not None):
            raise ValueError(
                f'{type(self).__name__} was called with reduction_override={reduction_override!r} '
                f"and avg_factor={avg_factor}: use None, 'none', 'mean' or 'sum', and "
                "avg_factor only with 'mean'"
            )
        logits = class_logits(cls_score)
        classes = logits.shape[1]
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        valid = label != ignore_index
        pixel_weight = valid.to(logits.dtype)
        if weight is not None:
            pixel_weight = pixel_weight * weight
        if self.class_weight is None:
            class_weight = logits.new_ones(classes)
        elif len(self.class_weight) != classes:
            raise ValueError(
                f'class_weight has {len(self.class_weight)} values for {classes} classes: set one '
                'value per class'
            )
        else:
            class_weight = self.class_weight.to(logits)
        inputs = (logits, label.where(valid, 0), pixel_weight, class_weight)
        if reduction_override == 'none':
            return self.loss_weight * self.per_pixel(*inputs)
        terms = self.compute(*inputs)
        return self.loss_weight * reduce_terms(*terms, reduction_override, avg_factor)

    @abstractmethod
    def compute(
        self, logits: Tensor, label: Tensor, pixel_weight: Tensor, class_weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compute values and their weights; the weighted mean is the loss.

        Args:
            logits: ``(N, C, H, W)``.
            label: Class of each pixel ``(N, H, W)``; 0 where it is ignored.
            pixel_weight: Weight of each pixel ``(N, H, W)``; 0 where it is ignored.
            class_weight: ``(C,)``.
        """

    @abstractmethod
    def per_pixel(
        self, logits: Tensor, label: Tensor, pixel_weight: Tensor, class_weight: Tensor
    ) -> Tensor:
        """Compute the contribution of each pixel to the sum of weighted values, ``(N, H, W)``.

        Args:
            logits: ``(N, C, H, W)``.
            label: Class of each pixel ``(N, H, W)``; 0 where it is ignored.
            pixel_weight: Weight of each pixel ``(N, H, W)``; 0 where it is ignored.
            class_weight: ``(C,)``.
        """


class OverlapLoss(PixelLoss):
    """Compute one minus the overlap of probabilities and labels, averaged over the labeled classes.

    It is between 0 (perfect) and 1. The sums run over the whole batch. A class without labeled
    pixels has no overlap (its gradient would be zero) and is left out.

    One minus an overlap n / d is (d - n) / d, and n and d are sums over pixels. So each pixel has a
    contribution to the loss, by which a sampler finds hard pixels.

    Args:
        class_weight: One weight per class in the mean over the classes, or a file with them.
        loss_weight: Factor on the loss.
        loss_name: Name in the log.
    """

    @abstractmethod
    def overlap(self, both: Tensor, predicted: Tensor, labeled: Tensor) -> tuple[Tensor, Tensor]:
        """Return numerator and denominator of the overlap of each class, ``(C,)``.

        Args:
            both: ``sum(p y)`` over probabilities p and labels y, ``(C,)``.
            predicted: ``sum(p)``, ``(C,)``.
            labeled: ``sum(y)``, ``(C,)``.

        Both must be linear, so that they can also be computed for single pixels, ``(N, C, H, W)``.
        """

    def compute(
        self, logits: Tensor, label: Tensor, pixel_weight: Tensor, class_weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compute one minus the overlap of each class, and the weights of the classes, ``(C,)``."""
        p = logits.softmax(dim=1) * pixel_weight.unsqueeze(1)  # (N, C, H, W)
        y = class_masks(label, p)
        labeled = (y * pixel_weight.unsqueeze(1)).sum(dim=(0, 2, 3))
        both, predicted = (p * y).sum(dim=(0, 2, 3)), p.sum(dim=(0, 2, 3))
        numerator, denominator = self.overlap(both, predicted, labeled)
        present = labeled > 0
        return 1 - numerator / denominator.where(present, 1), class_weight * present

    def per_pixel(
        self, logits: Tensor, label: Tensor, pixel_weight: Tensor, class_weight: Tensor
    ) -> Tensor:
        """Compute the contribution of each pixel to the loss, ``(N, H, W)``."""
        weight = pixel_weight.unsqueeze(1)
        p = logits.softmax(dim=1)  # (N, C, H, W)
        y = class_masks(label, logits).to(p.dtype)
        numerator, denominator = self.overlap(p * y, p, y)
        present = (y * weight).sum(dim=(0, 2, 3)) > 0
        whole = (denominator * weight).sum(dim=(0, 2, 3)).where(present, 1)
        class_factor = (class_weight * present / whole)[:, None, None]
        return ((denominator - numerator) * class_factor * weight).sum(dim=1)


def class_masks(label: Tensor, like: Tensor) -> Tensor:
    """Return one-hot labels in an eighth of the memory of ``one_hot``.

    Args:
        label: Class of each pixel ``(N, H, W)``.
        like: A map ``(N, C, H, W)``, whose memory format the result has.

    Returns:
        ``(N, C, H, W)``, boolean.
    """
    return torch.zeros_like(like, dtype=torch.bool).scatter_(1, label.unsqueeze(1), True)


def reduce_terms(
    values: Tensor, weights: Tensor, reduction: str | None, avg_factor: float | None
) -> Tensor:
    """Reduce values like MMSegmentation, to their weighted mean or sum.

    Args:
        values: Values of any shape.
        weights: Weights of a shape that broadcasts to that of the values.
        reduction: ``'sum'``, or ``'mean'`` or ``None`` for the mean.
        avg_factor: Divisor of the sum; ``None`` means the sum of the weights.

    Returns:
        A scalar; the mean is zero, with a gradient, if all weights are zero.
    """
    total = (values * weights).sum()
    if reduction == 'sum':
        return total
    divisor = weights.sum() if avg_factor is None else torch.as_tensor(avg_factor).to(total)
    return total / divisor.where(divisor > 0, 1)

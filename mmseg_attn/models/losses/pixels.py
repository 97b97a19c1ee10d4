"""What the losses share: which pixels count, and how much."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from mmseg.models.losses.utils import get_class_weight
from torch import Tensor, nn


class PixelLoss(nn.Module):
    """Base of losses over the softmax of each pixel.

    Args:
        class_weight: one weight per class, or a JSON or NumPy file that holds them; ``None`` weighs
            all classes alike.
        loss_weight: factor on the loss.
        loss_name: name in the log; it takes part in training if it starts with ``loss_``.
    """

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
        ignore_index: int = 255,
    ) -> Tensor:
        """Compute the loss in at least float32.

        It is zero, with zero gradients, if every pixel is ignored or there is none, and finite for
        all logits that float16 can hold.

        Args:
            cls_score: logits ``(N, C, H, W)``.
            label: class of each pixel ``(N, H, W)``.
            weight: weight of each pixel ``(N, H, W)``, as a pixel sampler gives it.
            ignore_index: label of the pixels that do not count.

        Returns:
            A scalar.

        Raises:
            ValueError: if there are fewer than two logits per pixel, or not one weight per class.
        """
        classes = cls_score.shape[1]
        if classes < 2:
            raise ValueError(
                f'{type(self).__name__} needs one logit per class, got {classes}: set out_channels '
                f'of the decode head to its num_classes'
            )
        logits = cls_score.to(torch.promote_types(cls_score.dtype, torch.float32))
        valid = label != ignore_index
        pixel_weight = valid.to(logits.dtype)
        if weight is not None:
            pixel_weight = pixel_weight * weight
        if self.class_weight is None:
            class_weight = logits.new_ones(classes)
        elif len(self.class_weight) != classes:
            raise ValueError(
                f'class_weight has {len(self.class_weight)} values for {classes} classes'
            )
        else:
            class_weight = self.class_weight.to(logits)
        loss = self.compute(logits, label.where(valid, 0), pixel_weight, class_weight)
        return self.loss_weight * loss

    @abstractmethod
    def compute(
        self, logits: Tensor, label: Tensor, pixel_weight: Tensor, class_weight: Tensor
    ) -> Tensor:
        """Compute the loss.

        Args:
            logits: ``(N, C, H, W)``.
            label: class of each pixel ``(N, H, W)``; 0 where it is ignored.
            pixel_weight: weight of each pixel ``(N, H, W)``; 0 where it is ignored.
            class_weight: ``(C,)``.
        """


class OverlapLoss(PixelLoss):
    """One minus the overlap of probabilities and labels, averaged over the classes that occur.

    It lies between 0, where all is right, and 1. The sums run over the whole batch. A class without
    a labelled pixel has no overlap (its gradient would be zero): it is left out.

    Args:
        class_weight: one weight per class in the mean over the classes, or a file that holds them.
        loss_weight: factor on the loss.
        loss_name: name in the log.
    """

    @abstractmethod
    def overlap(self, both: Tensor, predicted: Tensor, labelled: Tensor) -> tuple[Tensor, Tensor]:
        """Return numerator and denominator of the overlap of each class, ``(C,)``.

        Args:
            both: ``sum(p y)`` over probabilities p and labels y, ``(C,)``.
            predicted: ``sum(p)``, ``(C,)``.
            labelled: ``sum(y)``, ``(C,)``.
        """

    def compute(
        self, logits: Tensor, label: Tensor, pixel_weight: Tensor, class_weight: Tensor
    ) -> Tensor:
        p = logits.softmax(dim=1) * pixel_weight.unsqueeze(1)  # (N, C, H, W)
        y = class_masks(label, p)
        labelled = (y * pixel_weight.unsqueeze(1)).sum(dim=(0, 2, 3))
        both, predicted = (p * y).sum(dim=(0, 2, 3)), p.sum(dim=(0, 2, 3))
        numerator, denominator = self.overlap(both, predicted, labelled)
        present = labelled > 0
        return weighted_mean(1 - numerator / denominator.where(present, 1), class_weight * present)


def class_masks(label: Tensor, like: Tensor) -> Tensor:
    """Tell for each class whether a pixel is of it, in an eighth of the memory of ``one_hot``.

    Args:
        label: class of each pixel ``(N, H, W)``.
        like: a map ``(N, C, H, W)``, whose order in memory the result has.

    Returns:
        ``(N, C, H, W)``, boolean.
    """
    return torch.zeros_like(like, dtype=torch.bool).scatter_(1, label.unsqueeze(1), True)


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Mean of ``values`` by ``weights``; zero, with a gradient, where all weights are zero."""
    total = weights.sum()
    return (values * weights).sum() / total.where(total > 0, 1)

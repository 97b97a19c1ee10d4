"""Convert the logits of any decode head to probabilities and labels.

MMSegmentation's heads have one output channel per class or a single one. With one channel per
class, the label is the class with the largest logit. With a single channel, which configs set by
``num_classes=2, out_channels=1`` or ``num_classes=1``, the head predicts two classes: the sigmoid
of the logit is the probability of class 1, and the label is 1 where it exceeds ``threshold``. All
code in this package that needs labels, probabilities or the number of classes uses this module.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class LabelRule(NamedTuple):
    """Convert the logits of a head to labels.

    Attributes:
        channels: Number of output channels of the head.
        threshold: Threshold on the probability of class 1 if there is one channel, else ``None``.
    """

    channels: int
    threshold: float | None = None

    @classmethod
    def of(cls, segmentor: nn.Module) -> 'LabelRule':
        """Return the rule of a segmentor; of a cascade, that of the last head."""
        head: Any = segmentor.decode_head
        head = head[-1] if isinstance(head, nn.ModuleList) else head
        return cls(head.out_channels, head.threshold if head.out_channels == 1 else None)

    @property
    def classes(self) -> int:
        """Return the number of classes that the head predicts."""
        return class_count(self.channels)

    def labels(self, logits: Tensor) -> Tensor:
        """Label each pixel.

        Args:
            logits: Logits ``(N, channels, H, W)``.

        Returns:
            Labels ``(N, 1, H, W)``, int64.
        """
        if self.channels > 1:
            return logits.argmax(dim=1, keepdim=True)
        return self.above(logits.sigmoid())

    def above(self, probability: Tensor) -> Tensor:
        """Label each pixel by the probability of class 1, for heads with one channel."""
        assert self.threshold is not None  # there is one channel
        return (probability > self.threshold).long()


def class_count(channels: int) -> int:
    """Return the number of classes that a head with ``channels`` output channels predicts."""
    return max(2, channels)


def class_logits(logits: Tensor) -> Tensor:
    """Convert logits to one logit per class, whose softmax is the probability.

    Args:
        logits: Logits ``(N, channels, H, W)``.

    Returns:
        ``(N, classes, H, W)``: a single channel z becomes (0, z), since
        ``softmax(0, z)[1] = sigmoid(z)``; other logits stay unchanged.
    """
    if logits.shape[1] > 1:
        return logits
    return torch.cat([torch.zeros_like(logits), logits], dim=1)


def stored_probabilities(stored: Tensor) -> Tensor:
    """Convert the ``seg_logits`` of a data sample to probabilities.

    MMSegmentation stores logits if there are several channels. If there is one, it stores the
    probability of class 1 instead of the logit.

    Args:
        stored: ``(channels, H, W)``.

    Returns:
        Probabilities ``(classes, H, W)``, float32 or more precise.
    """
    stored = stored.to(torch.promote_types(stored.dtype, torch.float32))
    return stored.softmax(dim=0) if len(stored) > 1 else torch.cat([1 - stored, stored])

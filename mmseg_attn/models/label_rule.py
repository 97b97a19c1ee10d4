"""How the logits of a decode head become probabilities and labels, for every head there is.

MMSegmentation's heads have one output channel per class or a single one. With one channel per
class, the label is the class with the largest logit. With a single channel, which configs write as
``num_classes=2, out_channels=1`` or as ``num_classes=1``, the head tells two classes apart: the
sigmoid of the logit is the probability of class 1, and the label is 1 where it exceeds
``threshold``. Everything in this package that needs labels, probabilities or the number of classes
takes them from here.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class LabelRule(NamedTuple):
    """How a head's logits are read.

    Attributes:
        channels: Output channels of the head.
        threshold: Of the probability of class 1, if there is one channel; else ``None``.
    """

    channels: int
    threshold: float | None = None

    @classmethod
    def of(cls, segmentor: nn.Module) -> 'LabelRule':
        """Read the rule of a segmentor, from the last head of a cascade."""
        head: Any = segmentor.decode_head
        head = head[-1] if isinstance(head, nn.ModuleList) else head
        return cls(head.out_channels, head.threshold if head.out_channels == 1 else None)

    @property
    def classes(self) -> int:
        """Number of classes that the head tells apart."""
        return class_count(self.channels)

    def labels(self, logits: Tensor) -> Tensor:
        """Label each pixel.

        Args:
            logits: ``(N, channels, H, W)``.

        Returns:
            Classes ``(N, 1, H, W)``, of the type ``int64``.
        """
        if self.channels > 1:
            return logits.argmax(dim=1, keepdim=True)
        return self.above(logits.sigmoid())

    def above(self, probability: Tensor) -> Tensor:
        """Label each pixel by the probability of class 1, where there is one channel."""
        assert self.threshold is not None  # there is one channel
        return (probability > self.threshold).long()


def class_count(channels: int) -> int:
    """Number of classes that a head with so many output channels tells apart."""
    return max(2, channels)


def class_logits(logits: Tensor) -> Tensor:
    """Give each class a logit whose softmax is its probability.

    Args:
        logits: ``(N, channels, H, W)``.

    Returns:
        ``(N, classes, H, W)``: a single channel z becomes (0, z), since
        ``softmax(0, z)[1] = sigmoid(z)``; others stay as they are.
    """
    if logits.shape[1] > 1:
        return logits
    return torch.cat([torch.zeros_like(logits), logits], dim=1)

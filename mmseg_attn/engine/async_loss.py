"""Compute the losses and accuracy of MMSegmentation's heads without waiting for the device."""

from functools import cache
from types import MethodType

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.losses import CrossEntropyLoss
from mmseg.models.losses.cross_entropy_loss import cross_entropy
from mmseg.models.utils import resize
from mmseg.structures import SegDataSample
from torch import Tensor, nn

EPS = torch.finfo(torch.float32).eps  # MMSegmentation adds it to counts of pixels


def make_losses_async(model: nn.Module) -> None:
    """Change the heads of a model so that they never wait for the device; results stay the same.

    MMSegmentation waits to count the pixels that are not ignored, to select them for the accuracy,
    and to copy the class weights of ``CrossEntropyLoss`` to the device. Only objects of this model
    are changed. Heads with a ``loss_by_feat`` of their own, and the cross entropy of sigmoids, stay
    unchanged.

    Args:
        model: A segmentor.
    """
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is CrossEntropyLoss and child.cls_criterion is cross_entropy:
                setattr(module, name, AsyncCrossEntropyLoss(child))
        if getattr(type(module), 'loss_by_feat', None) is BaseDecodeHead.loss_by_feat:
            module.loss_by_feat = MethodType(loss_by_feat, module)


class AsyncCrossEntropyLoss(nn.Module):
    """Compute a ``CrossEntropyLoss`` and its mean on the device.

    Args:
        loss: The loss to replace.
    """

    def __init__(self, loss: CrossEntropyLoss) -> None:
        super().__init__()
        self.loss = loss
        weight = loss.class_weight
        weight = None if weight is None else torch.as_tensor(weight, dtype=torch.float32)
        self.register_buffer('class_weight', weight, persistent=False)

    @property
    def loss_name(self) -> str:
        """Return the name of the loss in the log."""
        return self.loss.loss_name

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
        reduction_override: str | None = None,
        ignore_index: int = -100,
        **kwargs,
    ) -> Tensor:
        """Compute the loss.

        Args:
            cls_score: Logits ``(N, C, H, W)``.
            label: Class of each pixel ``(N, H, W)``.
            weight: Weight of each pixel ``(N, H, W)``.
            avg_factor: Divisor of the sum, instead of the number of pixels.
            reduction_override: ``'none'``, ``'mean'`` or ``'sum'`` instead of the loss's own
                reduction.
            ignore_index: Label of the ignored pixels.
            kwargs: Other arguments of MMSegmentation's ``cross_entropy``.

        Returns:
            A scalar, or ``(N, H, W)`` without reduction.
        """
        loss, class_weight = self.loss, self.class_weight
        reduction = reduction_override or loss.reduction
        if class_weight is not None:
            class_weight = class_weight.to(cls_score)
        if avg_factor is None and reduction == 'mean':
            avg_factor = _average_factor(label, class_weight, ignore_index, loss.avg_non_ignore)
        return loss.loss_weight * cross_entropy(
            cls_score,
            label,
            weight,
            class_weight=class_weight,
            reduction=reduction,
            avg_factor=avg_factor,
            avg_non_ignore=loss.avg_non_ignore,
            ignore_index=ignore_index,
            **kwargs,
        )


def _average_factor(
    label: Tensor, class_weight: Tensor | None, ignore_index: int, avg_non_ignore: bool
) -> Tensor | None:
    """Sum the weights of the pixels on the device; ``None`` if the host's sum does not wait."""
    valid = label != ignore_index
    if class_weight is not None and _counts_class_weights():
        if not avg_non_ignore and 0 <= ignore_index < len(class_weight):
            return None  # the ignored class counts with its weight
        return class_weight[label.where(valid, 0)].where(valid, 0).sum()
    return valid.sum().float() if avg_non_ignore else None


@cache
def _counts_class_weights() -> bool:
    """Tell whether the installed MMSegmentation divides by the class weights; 1.1 does not."""
    label, weight = torch.zeros(1, 1, 1, dtype=torch.long), torch.tensor([2.0, 2.0])
    loss = cross_entropy(torch.zeros(1, 2, 1, 1), label, class_weight=weight)
    return loss.item() < 1  # log(2), not 2 log(2)


def loss_by_feat(
    self: BaseDecodeHead, seg_logits: Tensor, batch_data_samples: list[SegDataSample]
) -> dict[str, Tensor]:
    """Compute the losses and the accuracy like ``BaseDecodeHead.loss_by_feat``.

    Args:
        self: The head.
        seg_logits: Logits ``(N, C, h, w)``.
        batch_data_samples: The samples of the batch, with ground truth ``(1, H, W)``.

    Returns:
        The losses by name, and the accuracy ``acc_seg`` in percent.
    """
    label = self._stack_batch_gt(batch_data_samples)
    logits = resize(
        seg_logits, size=label.shape[2:], mode='bilinear', align_corners=self.align_corners
    )
    weight = self.sampler.sample(logits, label) if self.sampler is not None else None
    label = label.squeeze(1)
    losses: dict[str, Tensor] = {}
    is_list = isinstance(self.loss_decode, nn.ModuleList)
    for loss in self.loss_decode if is_list else [self.loss_decode]:
        value = loss(logits, label, weight=weight, ignore_index=self.ignore_index)
        name = loss.loss_name
        losses[name] = losses[name] + value if name in losses else value
    losses['acc_seg'] = accuracy(logits, label, self.ignore_index)
    return losses


def accuracy(logits: Tensor, label: Tensor, ignore_index: int) -> Tensor:
    """Compute the pixel accuracy in percent, without the ignored pixels.

    Args:
        logits: Logits ``(N, C, H, W)``.
        label: Class of each pixel ``(N, H, W)``.
        ignore_index: Label of the ignored pixels.

    Returns:
        Accuracy ``(1,)``; 100, as in MMSegmentation, if all pixels are ignored.
    """
    valid = label != ignore_index
    predicted = logits.topk(1, dim=1)[1].squeeze(1)  # argmax breaks ties differently
    correct = ((predicted == label) & valid).sum().float() + EPS
    return (correct * (100.0 / (valid.sum().double() + EPS)).float()).reshape(1)

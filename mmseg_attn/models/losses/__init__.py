"""Losses that exclude ignored pixels."""

from .soft_dice_loss import SoftDiceLoss
from .soft_iou_loss import SoftIoULoss
from .softmax_focal_loss import SoftmaxFocalLoss

__all__ = ['SoftDiceLoss', 'SoftIoULoss', 'SoftmaxFocalLoss']

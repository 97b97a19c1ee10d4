"""Losses that exclude ignored pixels."""

from .external_loss import ExternalLoss
from .soft_dice_loss import SoftDiceLoss
from .soft_iou_loss import SoftIoULoss
from .softmax_focal_loss import SoftmaxFocalLoss

__all__ = ['ExternalLoss', 'SoftDiceLoss', 'SoftIoULoss', 'SoftmaxFocalLoss']

from .soft_iou_loss import SoftIoULoss
from .softmax_focal_loss import SoftmaxFocalLoss

__all__ = ['SoftIoULoss', 'SoftmaxFocalLoss']

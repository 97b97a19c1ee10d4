_base_ = [
    '../_base_/models/unet.py',
    '../_base_/datasets/drosophila.py',
    '../_base_/schedules/adam_1500e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    backbone=dict(in_channels=1),
    decode_head=dict(
        num_classes=_base_.num_classes,
        # "Focal loss and IoU loss"; gamma 2 and equal weights are our decision.
        loss_decode=[dict(type='SoftmaxFocalLoss', gamma=2.0), dict(type='SoftIoULoss')],
    ),
)

_base_ = [
    '../_base_/models/unet.py',
    '../_base_/datasets/knee_mri.py',
    '../_base_/schedules/adam_500e_step.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    backbone=dict(in_channels=1),
    decode_head=dict(num_classes=_base_.num_classes),
)

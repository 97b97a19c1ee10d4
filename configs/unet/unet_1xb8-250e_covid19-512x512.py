_base_ = [
    '../_base_/models/unet.py',
    '../_base_/datasets/covid19.py',
    '../_base_/schedules/sgd_250e_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    backbone=dict(in_channels=1),
    decode_head=dict(num_classes=_base_.num_classes),
)

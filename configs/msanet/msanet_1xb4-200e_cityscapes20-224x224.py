_base_ = [
    '../_base_/models/msanet.py',
    '../_base_/datasets/cityscapes20.py',
    '../_base_/schedules/adam_200e_poly.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    decode_head=dict(num_classes=_base_.num_classes),
)

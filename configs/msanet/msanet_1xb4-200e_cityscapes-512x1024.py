# Ours beside the paper's 224x224: crops of the full resolution.
_base_ = [
    '../_base_/models/msanet.py',
    '../_base_/datasets/cityscapes20.py',
    '../_base_/schedules/adam_200e_poly.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    decode_head=dict(num_classes=_base_.num_classes),
    # Crop by crop in testing too: the cost of the attention grows with the square of the map.
    test_cfg=dict(mode='slide', crop_size=_base_.crop_size, stride=_base_.crop_size),
)

# Our variant: crops at full resolution, tested with a sliding window.
_base_ = [
    '../_base_/models/unet.py',
    '../_base_/datasets/floodnet_crops.py',
    '../_base_/schedules/adam_300e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='LargeImageEncoderDecoder',
    data_preprocessor=_base_.data_preprocessor,
    neck=dict(type='DABottleneck', channels=1024),
    decode_head=dict(num_classes=_base_.num_classes),
    test_cfg=dict(mode='slide', crop_size=_base_.crop_size, stride=_base_.stride),
)

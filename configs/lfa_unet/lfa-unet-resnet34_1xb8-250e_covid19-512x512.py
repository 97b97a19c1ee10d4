# Localized feature aggregation on a pretrained ResNet-34.
_base_ = ['./lfa-unet_1xb8-250e_covid19-512x512.py', '../_base_/encoders/resnet34.py']
model = dict(
    backbone=dict(_base_.encoder, in_channels=1),
    decode_head=dict(in_channels=_base_.encoder_channels),
)

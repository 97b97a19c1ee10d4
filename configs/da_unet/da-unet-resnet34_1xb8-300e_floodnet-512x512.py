# Self-attention on the deepest map of a pretrained ResNet-34, and the decoder of the U-Net.
_base_ = ['./da-unet_1xb8-300e_floodnet-512x512.py', '../_base_/encoders/resnet34.py']
model = dict(
    backbone=_base_.encoder,
    neck=dict(channels=_base_.encoder_channels[-1]),
    decode_head=dict(in_channels=_base_.encoder_channels),
)

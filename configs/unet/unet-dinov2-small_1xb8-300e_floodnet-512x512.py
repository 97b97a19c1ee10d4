# The decoder of the U-Net on a frozen DINOv2 ViT-S/14.
_base_ = ['./unet_1xb8-300e_floodnet-512x512.py', '../_base_/encoders/dinov2_small.py']
model = dict(
    backbone=_base_.encoder,
    neck=_base_.pyramid,
    decode_head=dict(in_channels=_base_.encoder_channels),
)

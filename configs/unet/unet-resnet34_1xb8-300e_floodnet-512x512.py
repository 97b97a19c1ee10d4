# The decoder of the U-Net on a pretrained ResNet-34.
_base_ = ['./unet_1xb8-300e_floodnet-512x512.py', '../_base_/encoders/resnet34.py']
model = dict(backbone=_base_.encoder, decode_head=dict(in_channels=_base_.encoder_channels))

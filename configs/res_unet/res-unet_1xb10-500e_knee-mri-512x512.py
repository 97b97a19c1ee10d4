# "Res-Net" of the CSAM-ResUNet paper: the U-Net with a shortcut over each stage.
_base_ = '../unet/unet_1xb10-500e_knee-mri-512x512.py'
block = dict(type='ResidualBlock')
model = dict(backbone=dict(block=block), decode_head=dict(block=block))

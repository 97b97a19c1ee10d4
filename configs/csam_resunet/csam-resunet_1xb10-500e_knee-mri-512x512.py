# As in the paper: encoder stages of 1x1 convolutions, no normalization anywhere.
_base_ = '../unet/unet_1xb10-500e_knee-mri-512x512.py'
model = dict(
    backbone=dict(type='ResUNetEncoder', kernel_size=1, norm_cfg=None),
    neck=dict(type='CSAMSkip', in_channels=_base_.channels),
    decode_head=dict(block=dict(type='ResidualBlock'), norm_cfg=None),
)

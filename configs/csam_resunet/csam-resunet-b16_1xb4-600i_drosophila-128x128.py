_base_ = '../unet/unet-b16_1xb4-600i_drosophila-128x128.py'
model = dict(
    backbone=dict(type='ResUNetEncoder', kernel_size=1, norm_cfg=None),
    neck=dict(type='CSAMSkip', in_channels=_base_.channels),
    decode_head=dict(block=dict(type='ResidualBlock'), norm_cfg=None),
)

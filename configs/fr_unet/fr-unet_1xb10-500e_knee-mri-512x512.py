# FR-UNet at base width 32; dropout 0.2 is the backbone's default.
_base_ = '../unet/unet_1xb10-500e_knee-mri-512x512.py'
model = dict(
    backbone=dict(type='FRUNet', channels=[32, 64, 128, 256]),
    decode_head=dict(type='AveragingHead', in_channels=[32] * 5),
)

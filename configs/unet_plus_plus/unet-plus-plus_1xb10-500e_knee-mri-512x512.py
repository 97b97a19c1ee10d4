# U-Net++ at base width 32, with a bias in every convolution as in the widely used implementation.
_base_ = '../unet/unet_1xb10-500e_knee-mri-512x512.py'
channels = [32, 64, 128, 256, 512]
block = dict(type='ConvBlock', bias=True)
model = dict(
    backbone=dict(channels=channels, block=block),
    decode_head=dict(type='NestedUNetHead', in_channels=channels, block=block),
)

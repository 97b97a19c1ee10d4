_base_ = '../unet/unet-b16_1xb4-600i_drosophila-128x128.py'
model = dict(
    backbone=dict(type='FRUNet', channels=[16, 32, 64, 128]),
    decode_head=dict(type='AveragingHead', in_channels=[16] * 5),
)

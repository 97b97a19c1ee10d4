_base_ = '../unet/unet-b16_1xb4-600i_drosophila-128x128.py'
block = dict(type='ConvBlock', bias=True)
model = dict(backbone=dict(block=block), decode_head=dict(type='NestedUNetHead', block=block))

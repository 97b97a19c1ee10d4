_base_ = '../unet/unet-b16_1xb4-600i_drosophila-128x128.py'
block = dict(type='ResidualBlock')
model = dict(backbone=dict(block=block), decode_head=dict(block=block))

_base_ = '../unet/unet_1xb8-1500e_drosophila-256x256.py'
channels = [16, 32, 64, 128]
block = dict(type='StructuredDropoutBlock', drop_rate=0.18, drop_size=7)
deepest = dict(block, attention=dict(type='SpatialAttention'))
model = dict(
    backbone=dict(channels=channels, block=[block, block, block, deepest]),
    decode_head=dict(
        in_channels=channels,
        block=block,
        upsample=dict(type='TransposedUpsample', kernel_size=3),
    ),
)

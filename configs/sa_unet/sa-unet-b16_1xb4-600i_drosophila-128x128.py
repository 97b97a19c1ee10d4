# Only dataset and schedule differ from the other configs: SA-UNet has base width 16 anyway.
_base_ = '../unet/unet-b16_1xb4-600i_drosophila-128x128.py'
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

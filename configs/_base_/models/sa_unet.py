# SA-UNet (Guo et al., 2021) as changes of a U-Net config: model = _base_.sa_unet
sa_channels = [16, 32, 64, 128]
sa_block = dict(type='StructuredDropoutBlock', drop_rate=0.18, drop_size=7)
sa_deepest = dict(sa_block, attention=dict(type='SpatialAttention'))
sa_unet = dict(
    backbone=dict(channels=sa_channels, block=[sa_block, sa_block, sa_block, sa_deepest]),
    decode_head=dict(
        in_channels=sa_channels,
        block=sa_block,
        upsample=dict(type='TransposedUpsample', kernel_size=3),
    ),
)

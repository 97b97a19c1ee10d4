# MSANet (Guo et al., 2021). Weights start from a zero-mean Gaussian; He's deviation is our
# decision.
norm_cfg = dict(type='BN')
init_cfg = dict(type='Kaiming', layer='Conv2d', distribution='normal')
channels = [64, 128, 256, 512]
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='MSANetEncoder', channels=channels, norm_cfg=norm_cfg, init_cfg=init_cfg),
    neck=dict(type='MSAMNeck', in_channels=channels, norm_cfg=norm_cfg, init_cfg=init_cfg),
    decode_head=dict(
        type='MSANetHead',
        in_channels=channels,
        num_classes=21,
        norm_cfg=norm_cfg,
        init_cfg=init_cfg,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)

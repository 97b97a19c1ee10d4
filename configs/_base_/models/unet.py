# U-Net (Ronneberger et al., 2015), with batch normalization, at base width 64.
norm_cfg = dict(type='BN')
channels = [64, 128, 256, 512, 1024]
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='UNetEncoder', in_channels=3, channels=channels, norm_cfg=norm_cfg),
    decode_head=dict(
        type='UNetHead',
        in_channels=channels,
        num_classes=2,
        norm_cfg=norm_cfg,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)

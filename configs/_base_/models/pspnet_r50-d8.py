# PSPNet (Zhao et al., 2017) as MMSegmentation builds it.
_base_ = './r50-d8.py'
model = dict(
    decode_head=dict(
        type='PSPHead',
        in_channels=2048,
        in_index=3,
        channels=512,
        pool_scales=(1, 2, 3, 6),
        num_classes=19,
        norm_cfg=_base_.norm_cfg,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    ),
)

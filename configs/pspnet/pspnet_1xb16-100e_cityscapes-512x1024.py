# PSPNet (Zhao et al., 2017) as MMSegmentation builds it.
_base_ = ['../_base_/models/r50-d8.py', '../_base_/protocols/hybrid_unet.py']
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    decode_head=dict(
        type='PSPHead',
        in_channels=2048,
        in_index=3,
        channels=512,
        pool_scales=(1, 2, 3, 6),
        num_classes=_base_.num_classes,
        norm_cfg=_base_.norm_cfg,
        loss_decode=_base_.loss,
    ),
    auxiliary_head=dict(num_classes=_base_.num_classes),
)

# DeepLabV3+ (Chen et al., 2018) as MMSegmentation builds it.
_base_ = ['../_base_/models/r50-d8.py', '../_base_/protocols/hybrid_unet.py']
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    decode_head=dict(
        type='DepthwiseSeparableASPPHead',
        in_channels=2048,
        in_index=3,
        channels=512,
        dilations=(1, 12, 24, 36),
        c1_in_channels=256,
        c1_channels=48,
        num_classes=_base_.num_classes,
        norm_cfg=_base_.norm_cfg,
        loss_decode=_base_.loss,
    ),
    auxiliary_head=dict(num_classes=_base_.num_classes),
)

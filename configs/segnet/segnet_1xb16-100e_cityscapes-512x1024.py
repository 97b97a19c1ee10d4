# SegNet (Badrinarayanan et al., 2017): the convolutions of VGG16 with batch normalization, and the
# same mirrored. The sixth stage has no convolution: it is the output of the fifth pooling.
_base_ = '../_base_/protocols/hybrid_unet.py'
norm_cfg = dict(type='BN')
channels = [64, 128, 256, 512, 512, 512]
model = dict(
    type='EncoderDecoder',
    data_preprocessor=_base_.data_preprocessor,
    backbone=dict(
        type='UNetEncoder',
        in_channels=3,
        channels=channels,
        block=[dict(type='ConvBlock', num_convs=convs) for convs in (2, 2, 3, 3, 3, 0)],
        return_indices=True,
        norm_cfg=norm_cfg,
    ),
    decode_head=dict(
        type='UnpoolingHead',
        in_channels=channels,
        levels=[  # channels and kernel size; the classifier is the 13th convolution
            [(64, 3)],
            [(128, 3), (64, 3)],
            [(256, 3), (256, 3), (128, 3)],
            [(512, 3), (512, 3), (256, 3)],
            [(512, 3), (512, 3), (512, 3)],
            [],
        ],
        num_classes=_base_.num_classes,
        norm_cfg=norm_cfg,
        loss_decode=_base_.loss,
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)

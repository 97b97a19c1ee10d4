# EfficientNetV2-S (Tan and Le, 2021), pretrained on ImageNet-21k, with a stem at stride 1.
encoder = dict(
    _delete_=True,
    type='TimmEncoder',
    name='tf_efficientnetv2_s.in21k',
    stem_channels=(24,),
    norm_cfg=dict(type='BN'),
)
encoder_channels = [24, 24, 48, 64, 160, 256]  # strides 1 to 32

# ConvNeXt-T (Liu et al., 2022), pretrained on ImageNet-22k, with a stem at strides 1 and 2.
encoder = dict(
    _delete_=True,
    type='TimmEncoder',
    name='convnext_tiny.fb_in22k',
    stem_channels=(32, 64),
    drop_path_rate=0.1,
    norm_cfg=dict(type='BN'),
)
encoder_channels = [32, 64, 96, 192, 384, 768]  # strides 1 to 32

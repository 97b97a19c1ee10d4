# Swin-T (Liu et al., 2021), pretrained on ImageNet-22k, with a stem at strides 1 and 2.
encoder = dict(
    _delete_=True,
    type='TimmEncoder',
    name='swin_tiny_patch4_window7_224.ms_in22k',
    stem_channels=(32, 64),
    norm_cfg=dict(type='BN'),
)
encoder_channels = [32, 64, 96, 192, 384, 768]  # strides 1 to 32

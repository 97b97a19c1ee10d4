# ResNet-34 (He et al., 2016), pretrained on ImageNet-1k, with a stem at stride 1. A leaf takes it:
# model = dict(backbone=_base_.encoder, decode_head=dict(in_channels=_base_.encoder_channels))
encoder = dict(
    _delete_=True,
    type='TimmEncoder',
    name='resnet34.a1_in1k',
    stem_channels=(32,),
    norm_cfg=dict(type='BN'),
)
encoder_channels = [32, 64, 64, 128, 256, 512]  # strides 1 to 32

# DINOv2 ViT-S/14 (Oquab et al., 2023), frozen. Its four maps have one stride; the neck makes maps
# at strides 3.5, 7, 14 and 28 of them, as the simple pyramid of Li et al. (2022) does. A leaf takes
# both:
# model = dict(
#     backbone=_base_.encoder,
#     neck=_base_.pyramid,
#     decode_head=dict(in_channels=_base_.encoder_channels),
# )
encoder_channels = [384, 384, 384, 384]
encoder = dict(
    _delete_=True,
    type='TimmEncoder',
    name='vit_small_patch14_dinov2.lvd142m',
    stem_channels=(),
    out_indices=(2, 5, 8, 11),
    frozen_stages=4,
)
pyramid = dict(type='Feature2Pyramid', embed_dim=384, norm_cfg=dict(type='BN'))

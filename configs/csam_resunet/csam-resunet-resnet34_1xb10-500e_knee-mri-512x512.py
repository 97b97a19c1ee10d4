# The decoder and the attention in the skips on a pretrained ResNet-34, with batch normalization.
_base_ = ['./csam-resunet_1xb10-500e_knee-mri-512x512.py', '../_base_/encoders/resnet34.py']
model = dict(
    backbone=dict(_base_.encoder, in_channels=1),
    neck=dict(in_channels=_base_.encoder_channels),
    decode_head=dict(
        in_channels=_base_.encoder_channels,
        norm_cfg=dict(_delete_=True, type='BN'),
    ),
)

# Our variant: 3x3 convolutions in the encoder, with batch normalization.
_base_ = './csam-resunet_1xb10-500e_knee-mri-512x512.py'
model = dict(
    backbone=dict(kernel_size=3, norm_cfg=dict(_delete_=True, type='BN')),
    decode_head=dict(norm_cfg=dict(_delete_=True, type='BN')),
)

_base_ = ['../_base_/models/unet.py', '../_base_/protocols/hybrid_unet.py']
plain, dropped = dict(type='ConvBlock'), dict(type='ConvBlock', dropout=0.1)
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    backbone=dict(block=[plain, plain, plain, dropped, dropped]),
    neck=dict(type='HybridAttentionSkip', in_channels=_base_.channels),
    decode_head=dict(num_classes=_base_.num_classes, loss_decode=_base_.loss),
)

# The widely used Attention U-Net: all four skips are gated.
_base_ = '../unet/unet_1xb8-1500e_drosophila-256x256.py'
model = dict(decode_head=dict(fusion=dict(type='AttentionGate', norm_cfg=_base_.norm_cfg)))

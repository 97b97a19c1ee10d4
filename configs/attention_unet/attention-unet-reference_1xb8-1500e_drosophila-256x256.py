# The widely used implementation in every detail: upsampling by nearest neighbors, and biases.
_base_ = '../unet/unet_1xb8-1500e_drosophila-256x256.py'
block, norm = dict(type='ConvBlock', bias=True), dict(norm_cfg=_base_.norm_cfg)
model = dict(
    backbone=dict(block=block),
    decode_head=dict(
        block=block,
        upsample=dict(type='NearestUpsample', **norm),
        fusion=dict(type='AttentionGate', bias=True, **norm),
    ),
)

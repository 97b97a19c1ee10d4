_base_ = '../unet/unet-b16_1xb4-600i_covid19-128x128.py'
block = dict(type='RecurrentResidualBlock', t=2)
model = dict(
    backbone=dict(block=block),
    decode_head=dict(block=block, upsample=dict(type='NearestUpsample', norm_cfg=_base_.norm_cfg)),
)

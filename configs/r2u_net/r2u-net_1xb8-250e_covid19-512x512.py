# "RU-Net (time-step = 2)" of the LFA-UNet paper.
_base_ = '../unet/unet_1xb8-250e_covid19-512x512.py'
block = dict(type='RecurrentResidualBlock', t=2)
model = dict(
    backbone=dict(block=block),
    decode_head=dict(block=block, upsample=dict(type='NearestUpsample', norm_cfg=_base_.norm_cfg)),
)

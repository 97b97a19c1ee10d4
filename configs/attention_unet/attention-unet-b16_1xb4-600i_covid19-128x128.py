_base_ = '../unet/unet-b16_1xb4-600i_covid19-128x128.py'
model = dict(decode_head=dict(fusion=dict(type='AttentionGate', norm_cfg=_base_.norm_cfg)))

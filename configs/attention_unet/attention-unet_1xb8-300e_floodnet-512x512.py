_base_ = '../unet/unet_1xb8-300e_floodnet-512x512.py'
model = dict(decode_head=dict(fusion=dict(type='AttentionGate', norm_cfg=_base_.norm_cfg)))

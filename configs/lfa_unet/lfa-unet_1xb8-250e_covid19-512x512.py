_base_ = '../unet/unet_1xb8-250e_covid19-512x512.py'
model = dict(decode_head=dict(type='LFAHead', window_size=7))

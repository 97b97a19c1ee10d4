_base_ = './lfa-unet_1xb8-250e_covid19-512x512.py'
model = dict(decode_head=dict(residual='decoder'))

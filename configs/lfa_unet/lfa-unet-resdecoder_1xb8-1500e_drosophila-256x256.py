_base_ = './lfa-unet_1xb8-1500e_drosophila-256x256.py'
model = dict(decode_head=dict(residual='decoder'))

_base_ = './msanet_1xb4-200e_cityscapes-512x1024.py'
model = dict(neck=dict(attention=False))

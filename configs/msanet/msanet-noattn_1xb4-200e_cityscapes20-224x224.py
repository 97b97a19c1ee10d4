_base_ = './msanet_1xb4-200e_cityscapes20-224x224.py'
model = dict(neck=dict(attention=False))

# The paper's 40.03 mIoU: 300 epochs without the residual.
_base_ = './da-unet_1xb8-300e_floodnet-512x512.py'
model = dict(neck=dict(residual=False))

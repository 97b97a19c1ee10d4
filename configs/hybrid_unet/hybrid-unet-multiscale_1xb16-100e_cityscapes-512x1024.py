# The "multi-scale feature fusion strategy" of the skips, in our interpretation.
_base_ = './hybrid-unet_1xb16-100e_cityscapes-512x1024.py'
model = dict(neck=dict(multi_scale=True))

# DA block on the deepest skip instead of the bottleneck, the other reading of "deepest connection".
_base_ = './da-unet_1xb8-300e_floodnet-512x512.py'
model = dict(neck=dict(level=-2, channels=512))

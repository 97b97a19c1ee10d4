# With the residual, over the whole schedule: the paper ran it for 100 epochs only, so this is ours.
_base_ = '../unet/unet_1xb8-300e_floodnet-512x512.py'
model = dict(neck=dict(type='DABottleneck', channels=1024))

# With the residual, for all epochs, which is our decision: the paper trains it for 100 only.
_base_ = '../unet/unet_1xb8-300e_floodnet-512x512.py'
model = dict(neck=dict(type='DABottleneck', channels=1024))

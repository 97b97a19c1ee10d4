# The paper's run with the residual: the first 100 epochs of the schedule, at 256x256 throughout.
_base_ = './da-unet_1xb8-300e_floodnet-512x512.py'
train_cfg = dict(max_epochs=100)
custom_hooks = []

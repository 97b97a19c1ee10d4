# The paper's run with the residual: the first 100 epochs of the schedule, trained on 256x256 only.
_base_ = './da-unet_1xb8-300e_floodnet-512x512.py'
train_cfg = dict(max_epochs=100)
custom_hooks = [dict(type='ResolutionScheduleHook', schedule={0: (256, 256)})]

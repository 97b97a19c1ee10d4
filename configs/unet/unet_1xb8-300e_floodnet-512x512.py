_base_ = [
    '../_base_/models/unet.py',
    '../_base_/datasets/floodnet.py',
    '../_base_/schedules/adam_300e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    decode_head=dict(num_classes=_base_.num_classes),
)
custom_hooks = [
    dict(type='ResolutionScheduleHook', schedule={0: (256, 256), 100: (512, 512)}),
]

_base_ = [
    '../_base_/models/unet.py',
    '../_base_/datasets/cityscapes.py',
    '../_base_/schedules/adamw_100e_cosine.py',
    '../_base_/default_runtime.py',
]
# alpha CE + (1 - alpha) Dice; alpha is open, 0.5 is our decision.
loss = [
    dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=0.5),
    dict(type='SoftDiceLoss', loss_weight=0.5),
]
plain, dropped = dict(type='ConvBlock'), dict(type='ConvBlock', dropout=0.1)
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    backbone=dict(block=[plain, plain, plain, dropped, dropped]),
    neck=dict(type='HybridAttentionSkip', in_channels=_base_.channels),
    decode_head=dict(num_classes=_base_.num_classes, loss_decode=loss),
)
val_evaluator = dict(
    _delete_=True,
    type='SegEvaluator',
    metrics=[
        dict(type='PerClassIoUMetric', iou_metrics=['mIoU']),
        dict(type='LossMetric', loss_decode=loss),
    ],
)
test_evaluator = val_evaluator
# "Dynamic early stopping": when the validation loss has not fallen for 20 epochs (our decision).
custom_hooks = [
    dict(type='EarlyStoppingHook', monitor='mean_loss', rule='less', min_delta=0.0, patience=20),
]

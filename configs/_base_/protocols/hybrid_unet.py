# Protocol of the Hybrid-UNet paper on Cityscapes, for all models: dataset, schedule, loss, metrics.
_base_ = ['../datasets/cityscapes.py', '../schedules/adamw_100e_cosine.py', '../default_runtime.py']
# alpha CE + (1 - alpha) Dice; the paper does not give alpha, 0.5 is our decision.
loss = [
    dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=0.5),
    dict(type='SoftDiceLoss', loss_weight=0.5),
]
val_evaluator = dict(
    _delete_=True,
    type='SegEvaluator',
    metrics=[
        dict(type='PerClassIoUMetric', iou_metrics=['mIoU']),
        dict(type='LossMetric', loss_decode=loss),
    ],
)
test_evaluator = val_evaluator
# "Dynamic early stopping": if the validation loss has not decreased for 20 epochs (our decision).
# With a min_delta of 0, the hook counts an equal loss as better.
custom_hooks = [
    dict(type='EarlyStoppingHook', monitor='mean_loss', rule='less', min_delta=1e-9, patience=20),
]

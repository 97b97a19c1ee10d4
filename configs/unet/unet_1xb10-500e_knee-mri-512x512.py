_base_ = [
    '../_base_/models/unet.py',
    '../_base_/datasets/knee_mri.py',
    '../_base_/schedules/adam_500e_step.py',
    '../_base_/default_runtime.py',
]
loss = dict(type='CrossEntropyLoss', avg_non_ignore=True)
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    backbone=dict(in_channels=1),
    decode_head=dict(num_classes=_base_.num_classes, loss_decode=loss),
)
# The paper's metrics: loss rate is mean_loss, MAE is MAE, F1 is 'Dice.patellar ligament' / 100.
val_evaluator = dict(
    _delete_=True,
    type='SegEvaluator',
    metrics=[
        dict(type='PerClassIoUMetric', iou_metrics=['mIoU', 'mDice']),
        dict(type='MAEMetric'),
        dict(type='LossMetric', loss_decode=loss),
    ],
)
test_evaluator = val_evaluator

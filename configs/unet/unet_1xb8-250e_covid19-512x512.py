_base_ = [
    '../_base_/models/unet.py',
    '../_base_/datasets/covid19.py',
    '../_base_/schedules/sgd_250e_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    backbone=dict(in_channels=1),
    decode_head=dict(
        num_classes=_base_.num_classes,
        # "Class weights": median frequency is our decision. This dataset has no ignored pixels, and
        # the forks' CrossEntropyLoss does not support weights with avg_non_ignore.
        loss_decode=dict(
            type='CrossEntropyLoss', avg_non_ignore=False, class_weight=_base_.class_weight
        ),
    ),
)

# A U-Net for a CPU: slices resized to 256x256, base width 16, random crops of 128x128.
_base_ = [
    '../_base_/models/unet.py',
    '../_base_/datasets/covid19.py',
    '../_base_/schedules/adam_600i.py',
    '../_base_/default_runtime.py',
]
channels = [16, 32, 64, 128, 256]
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    backbone=dict(in_channels=1, channels=channels),
    decode_head=dict(
        in_channels=channels,
        num_classes=_base_.num_classes,
        loss_decode=dict(
            type='CrossEntropyLoss', avg_non_ignore=False, class_weight=_base_.class_weight
        ),
    ),
)
test_pipeline = _base_.test_pipeline_256
tta_pipeline = [_base_.load_image, _base_.resize, *_base_.tta_pipeline[1:]]
train_dataloader = dict(
    batch_size=4,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(
        pipeline=[
            *_base_.train_pipeline_256[:-1],
            dict(type='RandomCrop', crop_size=(128, 128), cat_max_ratio=0.75),
            dict(type='PackSegInputs'),
        ]
    ),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
log_processor = dict(by_epoch=False)
default_hooks = dict(
    logger=dict(log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=200),
)

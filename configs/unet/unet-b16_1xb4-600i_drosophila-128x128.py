# A U-Net that a CPU trains in two minutes: base width 16, random crops of 128x128.
_base_ = [
    '../_base_/models/unet.py',
    '../_base_/datasets/drosophila.py',
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
        loss_decode=[dict(type='SoftmaxFocalLoss', gamma=2.0), dict(type='SoftIoULoss')],
    ),
)
train_dataloader = dict(
    batch_size=4,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(
        pipeline=[
            _base_.load_image,
            _base_.load_labels,
            dict(type='RandomCrop', crop_size=(128, 128), cat_max_ratio=0.75),
            dict(type='PackSegInputs'),
        ]
    ),
)
log_processor = dict(by_epoch=False)
default_hooks = dict(
    logger=dict(log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=200),
)

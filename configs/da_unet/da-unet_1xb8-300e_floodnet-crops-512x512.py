# Our variant: crops at full resolution, tested with a sliding window.
_base_ = [
    '../_base_/models/unet.py',
    '../_base_/datasets/floodnet.py',
    '../_base_/schedules/adam_300e.py',
    '../_base_/default_runtime.py',
]
crop_size = (512, 512)
stride = (384, 384)
model = dict(
    type='LargeImageEncoderDecoder',
    data_preprocessor=_base_.data_preprocessor,
    neck=dict(type='DABottleneck', channels=1024),
    decode_head=dict(num_classes=_base_.num_classes),
    test_cfg=dict(mode='slide', crop_size=crop_size, stride=stride),
)

train_pipeline = [
    _base_.load_image,
    _base_.load_labels,
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='PackSegInputs'),
]
test_pipeline = [_base_.load_image, _base_.load_labels, dict(type='PackSegInputs')]
tta_pipeline = [
    _base_.load_image,
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='RandomFlip', prob=0.0),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
            ],
            [_base_.load_labels],
            [dict(type='PackSegInputs')],
        ],
    ),
]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

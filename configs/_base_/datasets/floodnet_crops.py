# FloodNet at full resolution: random crops for training, sliding windows for testing. Add
# model = dict(test_cfg=dict(mode='slide', crop_size=_base_.crop_size, stride=_base_.stride))
_base_ = './floodnet.py'
crop_size = (512, 512)
stride = (384, 384)

train_pipeline = [
    *_base_.load,
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='PackSegInputs'),
]
test_pipeline = [*_base_.load, dict(type='PackSegInputs')]
tta_pipeline = [
    _base_.load[0],
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='RandomFlip', prob=0.0),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
            ],
            [_base_.load[1]],
            [dict(type='PackSegInputs')],
        ],
    ),
]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

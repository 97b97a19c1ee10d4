# The MSANet paper's sizes: images resized to 250x250, random crops of 224x224.
_base_ = './cityscapes20.py'
crop_size = (224, 224)
resize = dict(type='Resize', scale=(250, 250), keep_ratio=False)

train_pipeline = [
    *_base_.load,
    resize,
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='RandomFlip', prob=0.5, direction='vertical'),
    dict(type='PackSegInputs'),
]
# Logits are resized to the image: the scores count every labelled pixel of it.
test_pipeline = [_base_.load[0], resize, _base_.load[1], dict(type='PackSegInputs')]
tta_pipeline = [
    _base_.load[0],
    dict(
        type='TestTimeAug',
        transforms=[
            [resize],
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

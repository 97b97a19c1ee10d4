# Our variant: crops at full resolution instead of the paper's 224x224.
_base_ = './msanet_1xb4-200e_cityscapes20-224x224.py'
crop_size = (512, 1024)
# Testing uses crops, too, since the cost of the attention is quadratic in the size of the map.
model = dict(test_cfg=dict(mode='slide', crop_size=crop_size, stride=crop_size))
pack = dict(type='PackSegInputs')
crop = dict(type='RandomCrop', crop_size=crop_size)
train_pipeline = [_base_.load_image, _base_.load_labels, crop, *_base_.flips, pack]
test_pipeline = [_base_.load_image, _base_.load_labels, pack]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(batch_size=1, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
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
            [pack],
        ],
    ),
]

# Cityscapes as in the MSANet paper: all ignored labels form an additional class, background;
# images are resized to 250x250, cropped to 224x224 and flipped both ways.
_base_ = './cityscapes.py'
num_classes = 20

load_image = _base_.load_image
load_labels = dict(type='LoadStrictAnnotations', num_classes=19, ignored_as=19)
crop_size = (224, 224)
resize = dict(type='Resize', scale=(250, 250), keep_ratio=False)
flips = [
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='RandomFlip', prob=0.5, direction='vertical'),
]
train_pipeline = [
    load_image,
    load_labels,
    resize,
    dict(type='RandomCrop', crop_size=crop_size),
    *flips,
    dict(type='PackSegInputs'),
]
# Logits are resized to the size of the image, so the metrics count all of its labeled pixels.
test_pipeline = [load_image, resize, load_labels, dict(type='PackSegInputs')]
tta_pipeline = [
    load_image,
    dict(
        type='TestTimeAug',
        transforms=[
            [resize],
            [
                dict(type='RandomFlip', prob=0.0),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
            ],
            [load_labels],
            [dict(type='PackSegInputs')],
        ],
    ),
]

dataset = dict(type='Cityscapes20Dataset')
train_dataloader = dict(batch_size=4, dataset=dict(dataset, pipeline=train_pipeline))
# The paper tests with a batch of 4, too; all inputs have 250x250.
val_dataloader = dict(batch_size=4, dataset=dict(dataset, pipeline=test_pipeline))
test_dataloader = val_dataloader
# The paper does not say whether background counts, so both means are computed.
val_evaluator = dict(background='background')
test_evaluator = val_evaluator

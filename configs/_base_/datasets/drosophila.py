# Drosophila ssTEM, crops of 256x256 (tools/dataset_converters/drosophila.py).
# Environment variables: FOLD selects the fold (0 to 4), DROSOPHILA_ROOT the folder.
data_root = '{{$DROSOPHILA_ROOT:data/drosophila}}'
split = 'splits/fold{{$FOLD:0}}'
num_classes = 5

# One channel; mean and standard deviation of all 20 slices.
data_preprocessor = dict(
    type='SegDataPreProcessor', mean=[128.6], std=[54.7], seg_pad_val=255, size_divisor=1
)
load_image = dict(type='LoadImageFromFile', color_type='grayscale')
load_labels = dict(type='LoadStrictAnnotations', num_classes=num_classes)
train_pipeline = [load_image, load_labels, dict(type='PackSegInputs')]
test_pipeline = train_pipeline
# The paper mentions no augmentation. To use this one in your own runs:
# train_dataloader = dict(dataset=dict(pipeline=_base_.augmented_pipeline))
augmented_pipeline = [
    load_image,
    load_labels,
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomRightAngle'),
    dict(type='PackSegInputs'),
]
tta_pipeline = [
    load_image,
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='RandomFlip', prob=0.0),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
                dict(type='RandomFlip', prob=1.0, direction='vertical'),
            ],
            [load_labels],
            [dict(type='PackSegInputs')],
        ],
    ),
]

dataset = dict(
    type='DrosophilaDataset',
    data_root=data_root,
    data_prefix=dict(img_path='images', seg_map_path='annotations'),
)
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(dataset, ann_file=f'{split}/train.txt', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(dataset, ann_file=f'{split}/val.txt', pipeline=test_pipeline),
)
test_dataloader = dict(
    val_dataloader,
    dataset=dict(dataset, ann_file=f'{split}/test.txt', pipeline=test_pipeline),
)
val_evaluator = dict(type='PerClassIoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator

# PASCAL VOC 2012, train and val pooled and split 90:10 (tools/dataset_converters/voc_split.py).
# Set the environment variable VOC_ROOT to the folder VOC2012. The MSANet paper has no validation
# split: validation uses the test images, so a "best" checkpoint is selected on them.
data_root = '{{$VOC_ROOT:data/VOCdevkit/VOC2012}}'
split = 'ImageSets/SegmentationPooled'
num_classes = 21

data_preprocessor = dict(
    type='SegDataPreProcessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    seg_pad_val=255,
    size_divisor=1,
)
load_image = dict(type='LoadImageFromFile')
load_labels = dict(type='LoadStrictAnnotations', num_classes=num_classes, palette=True)
resize = dict(type='Resize', scale=(250, 250), keep_ratio=False)
train_pipeline = [
    load_image,
    load_labels,
    resize,
    dict(type='RandomCrop', crop_size=(224, 224)),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='RandomFlip', prob=0.5, direction='vertical'),
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

dataset = dict(
    type='CheckedVOCDataset',
    data_root=data_root,
    data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
)
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(dataset, ann_file=f'{split}/train.txt', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=4,  # the paper's, too; all inputs have 250x250
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(dataset, ann_file=f'{split}/test.txt', pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='PerClassIoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator

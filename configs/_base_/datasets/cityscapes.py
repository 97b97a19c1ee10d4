# Cityscapes with the labelTrainIds of cityscapesscripts: training on crops of
# 512x1024, testing on full images. Set the environment variable CITYSCAPES_ROOT to its folder.
data_root = '{{$CITYSCAPES_ROOT:data/cityscapes}}'
num_classes = 19
crop_size = (512, 1024)

data_preprocessor = dict(
    type='SegDataPreProcessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    seg_pad_val=255,
    size_divisor=1,
)
load_image = dict(type='LoadImageFromFile')
load_labels = dict(type='LoadStrictAnnotations', num_classes=num_classes)
train_pipeline = [
    load_image,
    load_labels,
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomBrightness', delta=32),
    dict(type='PackSegInputs'),
]
test_pipeline = [load_image, load_labels, dict(type='PackSegInputs')]
tta_pipeline = [
    load_image,
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='RandomFlip', prob=0.0),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
            ],
            [load_labels],
            [dict(type='PackSegInputs')],
        ],
    ),
]

dataset = dict(type='CheckedCityscapesDataset', data_root=data_root)
train_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        dataset,
        data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        dataset,
        data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='PerClassIoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator

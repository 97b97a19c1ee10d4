# COVID-19 CT, slices of 512x512 (tools/dataset_converters/covid19.py).
# Environment variables: FOLD selects the fold (0 to 3), COVID19_ROOT the folder.
data_root = '{{$COVID19_ROOT:data/covid19}}'
fold = int('{{$FOLD:0}}')
split = f'splits/fold{fold}'
num_classes = 4
# Median frequency weights of the training split of each of the converter's default folds, from a
# copy whose images and lung masks are reconstructed. With the official files or other folds compute
# them again: python tools/class_weights.py CONFIG. A fold without weights here trains unweighted.
# loss_decode=dict(type='CrossEntropyLoss', class_weight=_base_.class_weight, ...)
class_weight = {
    0: [0.19129, 0.59232, 3.208, 3.7584],
    1: [0.20438, 0.58847, 3.3258, 6.1221],
    2: [0.17838, 0.62891, 2.4393, 5.8528],
    3: [0.16618, 0.63712, 2.3233, 3.5458],
}.get(fold)

# One channel; mean and standard deviation of the same copy, which is 0 outside the body.
data_preprocessor = dict(
    type='SegDataPreProcessor', mean=[65.3], std=[87.8], seg_pad_val=255, size_divisor=1
)
load_image = dict(type='LoadImageFromFile', color_type='grayscale')
load_labels = dict(type='LoadStrictAnnotations', num_classes=num_classes)
train_pipeline = [load_image, load_labels, dict(type='PackSegInputs')]
test_pipeline = train_pipeline
# The paper does not specify the input size. For 256x256:
# train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline_256)), val and test likewise.
resize = dict(type='Resize', scale=(256, 256), keep_ratio=False)
train_pipeline_256 = [load_image, load_labels, resize, dict(type='PackSegInputs')]
test_pipeline_256 = [load_image, resize, load_labels, dict(type='PackSegInputs')]
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

dataset = dict(
    type='COVID19CTDataset',
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

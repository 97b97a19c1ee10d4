# Knee MRI (tools/dataset_converters/knee_mri.py).
# Set the environment variable KNEE_MRI_ROOT to its folder.
data_root = '{{$KNEE_MRI_ROOT:data/knee_mri}}'
split = 'splits/fold0'
num_classes = 2
size = (512, 512)

# Mean and standard deviation of uniformly distributed gray values, as after equalization.
# Images keep their aspect ratio and are padded with the mean; the loss ignores the padding.
data_preprocessor = dict(
    type='SegDataPreProcessor',
    mean=[127.5],
    std=[73.9],
    seg_pad_val=255,
    size=size,
    test_cfg=dict(size=size),
)
load_image = dict(type='LoadImageFromFile', color_type='grayscale')
load_labels = dict(type='LoadStrictAnnotations', num_classes=num_classes)
enhance = [dict(type='GaussianSmooth'), dict(type='EqualizeHistogram')]
resize = dict(type='Resize', scale=size, keep_ratio=True)
# The default keys, and the spacing of the slice for SurfaceMetric.
meta_keys = (
    *('img_path', 'seg_map_path', 'ori_shape', 'img_shape', 'pad_shape', 'scale_factor'),
    *('flip', 'flip_direction', 'reduce_zero_label', 'spacing', 'spacing_unit'),
)
pack = dict(type='PackSegInputs', meta_keys=meta_keys)
train_pipeline = [load_image, load_labels, *enhance, resize, pack]
test_pipeline = [load_image, *enhance, resize, load_labels, pack]
tta_pipeline = [
    load_image,
    *enhance,
    dict(
        type='TestTimeAug',
        transforms=[
            [resize],
            [
                dict(type='RandomFlip', prob=0.0),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
            ],
            [load_labels],
            [pack],
        ],
    ),
]

dataset = dict(
    type='KneeMRIDataset',
    data_root=data_root,
    data_prefix=dict(img_path='images', seg_map_path='annotations'),
)
train_dataloader = dict(
    batch_size=10,
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

# FloodNet-Supervised_v1.0 in its official layout; FLOODNET_ROOT is its folder. The DA-UNet paper
# resizes whole images, first to 256x256 (by a hook), later to 512x512.
data_root = '{{$FLOODNET_ROOT:data/FloodNet-Supervised_v1.0}}'
num_classes = 10

data_preprocessor = dict(
    type='SegDataPreProcessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    seg_pad_val=255,
    size_divisor=1,
)
load_image = dict(type='LoadImageFromFile')
# stray='ignore' accepts copies with values beyond 9
load_labels = dict(type='LoadStrictAnnotations', num_classes=num_classes)
resize = dict(type='Resize', scale=(512, 512), keep_ratio=False)
train_pipeline = [load_image, load_labels, resize, dict(type='PackSegInputs')]
# The network sees 512x512; its logits are resized to the image, and the scores count every labeled
# pixel of it: at 4592x3072, 564 MB of logits for one image.
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

# Scores on labels of 512x512, as in the paper: val_dataloader and test_dataloader of the
# resizedlabels configs take this pipeline. Logits are resized to ori_shape, here that of the
# resized image. In the TTA pipeline, the version that is not flipped comes first and is compared.
at_resized_size = dict(type='KeyMapper', mapping=dict(ori_shape='img_shape'), auto_remap=False)
resized_labels_pipeline = [
    load_image,
    load_labels,
    resize,
    at_resized_size,
    dict(type='PackSegInputs'),
]
resized_labels_tta_pipeline = [
    load_image,
    load_labels,
    dict(
        type='TestTimeAug',
        transforms=[
            [resize],
            [at_resized_size],
            [
                dict(type='RandomFlip', prob=0.0),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
            ],
            [dict(type='PackSegInputs')],
        ],
    ),
]

dataset = dict(type='FloodNetDataset', data_root=data_root)
train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        dataset,
        data_prefix=dict(img_path='train/train-org-img', seg_map_path='train/train-label-img'),
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
        data_prefix=dict(img_path='val/val-org-img', seg_map_path='val/val-label-img'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    val_dataloader,
    dataset=dict(
        dataset,
        data_prefix=dict(img_path='test/test-org-img', seg_map_path='test/test-label-img'),
        pipeline=test_pipeline,
    ),
)
val_evaluator = dict(type='PerClassIoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator

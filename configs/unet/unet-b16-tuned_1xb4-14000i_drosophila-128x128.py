# Ours: the small U-Net with a tuned recipe instead of an attention. Test it with --tta.
_base_ = [
    './unet-b16_1xb4-600i_drosophila-128x128.py',
    '../_base_/fast_runtime.py',  # bfloat16: more iterations in the same time
]
# The coarser levels of the decoder learn the classes, too.
model = dict(decode_head=dict(deep_supervision=2))
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            _base_.load_image,
            _base_.load_labels,
            # Synapses are 0.6 % of the pixels.
            dict(type='ClassBalancedCrop', crop_size=(128, 128), classes=[2], cat_max_ratio=0.75),
            # A slice has no preferred direction: eight views of each of the 192 crops.
            dict(type='RandomFlip', prob=0.5),
            dict(type='RandomRightAngle'),
            # Against learning single gray levels; the slices themselves have the same brightness.
            dict(type='RandomBrightness', delta=24),
            dict(type='PackSegInputs'),
        ]
    )
)
# After 4,000 iterations, the training loss still falls. Without a warm-up, the first steps of Adam
# are too large for 0.003; the cosine spends more iterations at small rates than a line.
train_cfg = dict(max_iters=14000, val_interval=1000)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=300, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min=0, begin=300, end=14000, by_epoch=False),
]
# With batches of four, the weights are noisy: average them over about 1,000 iterations.
custom_hooks = [dict(type='EMAHook', momentum=0.001, update_buffers=True)]
default_hooks = dict(checkpoint=dict(interval=1000))

# Photographs and aerial images of three channels and 8 bits: MMSegmentation's flip and its changes
# of brightness, contrast, saturation and hue, from its configs for Cityscapes and ADE20K.
# Scale and blur after nnU-Net v2 (nnUNetTrainer.get_training_transforms). MONAI 1.2 or newer.
augmentation = [
    # Upside down is no street scene. For images from above, also add direction='vertical', or use
    # RandomRightAngle.
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='ExternalTransform',
        name='RandZoom',
        prob=0.2,
        min_zoom=0.7,
        max_zoom=1.4,
        mode='bilinear',
        padding_mode='reflect',
    ),
    dict(type='PhotoMetricDistortion'),
    dict(
        type='ExternalTransform',
        name='RandGaussianSmooth',
        prob=0.2,
        sigma_x=(0.5, 1.0),
        sigma_y=(0.5, 1.0),
    ),
]

# Fluorescence microscopy: the direction of an image has no meaning, and the brightness of each
# channel depends on its dye and exposure. Probabilities and ranges of nnU-Net v2
# (nnUNetTrainer.get_training_transforms), after Isensee et al., 2021,
# doi:10.1038/s41592-020-01008-z, if nothing else is said.
# MONAI 1.3 or newer; noise is in standard deviations of each channel, angles in radians.
augmentation = [
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomRightAngle'),
    dict(
        type='ExternalTransform',
        name='RandRotate',
        prob=0.2,
        range_x=3.14,
        padding_mode='reflection',
    ),
    dict(
        type='ExternalTransform',
        name='RandZoom',
        prob=0.2,
        min_zoom=0.7,
        max_zoom=1.4,
        mode='bilinear',
        padding_mode='reflect',
    ),
    dict(
        type='ExternalTransform',
        name='RandGaussianSmooth',
        prob=0.2,
        sigma_x=(0.5, 1.0),
        sigma_y=(0.5, 1.0),
    ),
    # each channel by its own factor; twice as often as in nnU-Net, because exposures differ more
    dict(
        type='ExternalTransform',
        name='RandScaleIntensity',
        prob=0.3,
        factors=0.3,
        channel_wise=True,
    ),
    dict(
        type='ExternalTransform',
        name='RandSimulateLowResolution',
        prob=0.25,
        zoom_range=(0.5, 1.0),
        upsample_mode='bicubic',
    ),
    dict(
        type='ExternalTransform',
        name='RandAdjustContrast',
        prob=0.3,
        gamma=(0.7, 1.5),
        retain_stats=True,
    ),
    dict(type='ExternalTransform', name='RandGaussianNoise', prob=0.1, std=0.3),
]

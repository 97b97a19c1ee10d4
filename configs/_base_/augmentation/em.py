# Electron microscopy: the direction of a section has no meaning, and sections are stretched and
# unevenly bright. Probabilities and ranges of nnU-Net v2 (nnUNetTrainer.get_training_transforms),
# after Isensee et al., 2021, doi:10.1038/s41592-020-01008-z, if nothing else is said.
# MONAI 1.3 or newer; noise is in standard deviations of the image, angles in radians.
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
    # Ronneberger et al., 2015 (U-Net), move the points of a coarse grid by about 10 pixels
    dict(
        type='ExternalTransform',
        name='Rand2DElastic',
        prob=0.2,
        spacing=(128, 128),
        magnitude_range=(2, 10),
    ),
    dict(type='ExternalTransform', name='RandGaussianNoise', prob=0.1, std=0.3),
    dict(
        type='ExternalTransform',
        name='RandGaussianSmooth',
        prob=0.2,
        sigma_x=(0.5, 1.0),
        sigma_y=(0.5, 1.0),
    ),
    dict(type='ExternalTransform', name='RandScaleIntensity', prob=0.15, factors=0.25),
    dict(
        type='ExternalTransform',
        name='RandScaleIntensityFixedMean',
        prob=0.15,
        factors=(-0.25, 0.25),
        preserve_range=True,
    ),
    dict(
        type='ExternalTransform',
        name='RandAdjustContrast',
        prob=0.3,
        gamma=(0.7, 1.5),
        retain_stats=True,
    ),
]

# MRI: gray values have no unit, and vary with the scanner and the coil. Left and right differ, so
# there are no flips and only small rotations (nnU-Net has flips, and rotations by any angle). Other
# probabilities and ranges of nnU-Net v2 (nnUNetTrainer.get_training_transforms), after Isensee et
# al., 2021, doi:10.1038/s41592-020-01008-z, if nothing else is said.
# MONAI 1.3 or newer; noise is in standard deviations of the image, angles in radians.
augmentation = [
    dict(
        type='ExternalTransform',
        name='RandRotate',
        prob=0.2,
        range_x=0.26,  # 15 degrees
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
    # smooth changes of brightness over the image (Sudre et al., 2017, arXiv:1708.05732)
    dict(type='ExternalTransform', name='RandBiasField', prob=0.15, coeff_range=(0.0, 0.1)),
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
        name='RandSimulateLowResolution',
        prob=0.25,
        zoom_range=(0.5, 1.0),
        upsample_mode='bicubic',
    ),
    dict(
        type='ExternalTransform',
        name='RandAdjustContrast',
        prob=0.1,
        gamma=(0.7, 1.5),
        invert_image=True,
        retain_stats=True,
    ),
    dict(
        type='ExternalTransform',
        name='RandAdjustContrast',
        prob=0.3,
        gamma=(0.7, 1.5),
        retain_stats=True,
    ),
]

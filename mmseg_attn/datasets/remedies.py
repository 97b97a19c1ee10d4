"""What to do about faults of masks: the same words wherever a fault is found."""

COLOR_MASK = (
    'name the folder of the label masks, or convert the colors to one channel of class numbers'
)
PALETTE_MASK = (
    'a mask whose palette numbers are the labels needs LoadAnnotations, or palette=True of '
    'LoadStrictAnnotations'
)
STRAY_LABELS = 'correct {0}, or fit classes, label_map or reduce_zero_label of the dataset to {1}'
ONLY_0_255 = 'save the foreground as 1'
OTHER_SIZE = 'get the mask of this image, or scale it with nearest-neighbor interpolation'

"""What a check can find: how bad it is, how it is said, and what to do about it."""

from .. import remedies

# kind: whether it spoils a run, the sentence, and the remedy
KINDS = {
    'refused': (
        True,
        'the dataset cannot be listed: {why}',
        'prepare the data, or correct data_root, data_prefix and ann_file',
    ),
    'no-images': (True, 'no images', 'correct data_root, data_prefix and img_suffix'),
    'missing-image': (
        True,
        'listed images that are not there: {n} of {total}',
        'put them there, or take their names off the list',
    ),
    'missing-mask': (
        True,
        'images whose mask is not there: {n} of {total}',
        'put the masks there, or take the images out of the set',
    ),
    'lonely-mask': (
        False,
        'masks without an image, which nothing uses: {n}',
        'put the images there, or move the masks away',
    ),
    'unreadable': (
        True,
        'files that cannot be read completely: {n}',
        'get them again from their source, or take them out of the set',
    ),
    'unsupported': (
        True,
        'files that the loader of the config cannot read: {n}',
        'convert them, or choose another loader, as it says beside each',
    ),
    'too-large': (
        True,
        'files that are too large to be read at once: {n}',
        'cut them into tiles, or raise the limit that is named beside each',
    ),
    'size': (
        True,
        'masks of another size than their image: {n} of {total}',
        remedies.OTHER_SIZE,
    ),
    'turned': (
        False,
        'images that loading turns, as the EXIF orientation in their file says, while masks are '
        'never turned: {n} of {total}',
        'see that the masks fit the turned images, or load the images with '
        "color_type='color_ignore_orientation'",
    ),
    'stray-label': (
        True,
        'masks with values that are no class: {n} of {total}; {values}',
        remedies.STRAY_LABELS.format('the masks', 'them'),
    ),
    'ignored-label': (
        False,
        'masks with values that are no class and that the loader ignores: {n} of {total}; {values}',
        'nothing, if these pixels shall not count',
    ),
    '0-255': (
        True,
        '0/255 masks: {n} of {total}; the foreground is not class 1',
        remedies.ONLY_0_255,
    ),
    'some-0-255': (
        False,
        'masks of 0 and 255 alone, while no other mask holds 255: {n} of {total}',
        'if 255 is foreground there, save it as 1; as it is, it is ignored',
    ),
    'color-mask': (
        True,
        'masks that are pictures in color: {n} of {total}',
        f'{remedies.COLOR_MASK}; {remedies.PALETTE_MASK}',
    ),
    'ignored-color': (
        False,
        'masks that are pictures in color and that the loader ignores: {n} of {total}',
        'nothing, if these images shall not count',
    ),
    'all-ignored': (
        False,
        'masks of ignored pixels alone: {n} of {total}',
        'take these images out of the set: nothing is learned from them',
    ),
    'one-class': (
        False,
        'masks of one class alone: {n} of {total}',
        'nothing, if that is right: look at a few of them',
    ),
    'nothing-labeled': (
        True,
        'all {total} masks hold ignored pixels alone',
        'look at the masks, ignore_index and reduce_zero_label',
    ),
    'absent-class': (
        True,
        'classes that never occur, so that they cannot be learned: {why}',
        'use another split, or take the class out of the dataset and the model',
    ),
    'absent-class-evaluation': (
        False,
        'classes that never occur, so that their score is undefined and means leave them out: '
        '{why}',
        'use another split',
    ),
    'no-labels': (
        True,
        'the pipeline loads no annotations',
        "add dict(type='LoadAnnotations') to the pipeline",
    ),
    'class-count': (True, '{why}', 'make the classes of dataset and model the same'),
    'channels': (
        True,
        '{why}',
        'change color_type where images are loaded, mean and std of data_preprocessor, or '
        'in_channels of the backbone',
    ),
    'pipeline': (True, 'the pipeline stops: {why}', 'correct the pipeline'),
    'not-finite': (
        True,
        'images with values that are no finite numbers: {n} of {total}',
        'replace them, by the lowest value of the image for example',
    ),
    'bit-depth': (
        True,
        'images that lose bits when they are loaded: {n} of {total}; {why}',
        "load them with color_type='unchanged' and to_float32=True, or convert them to 8 bits "
        'with a window that fits',
    ),
    'converted': (
        False,
        'images whose channels change when they are loaded: {n} of {total}; {why}',
        "set color_type to what the files have ('grayscale', 'color' or 'unchanged')",
    ),
    'blank': (
        False,
        'images of one single value: {n} of {total}',
        'take them out of the set, unless they are meant to be empty',
    ),
    'listed-twice': (
        False,
        'images that are listed more than once: {n}',
        'list every image once; RepeatDataset repeats a whole set',
    ),
    'duplicate': (
        False,
        'images with the same pixels as another one of the set: {n}',
        'keep one of each',
    ),
    'leak': (
        True,
        'images that are in both, so that scores on them say nothing: {n}',
        'keep every image in one split alone',
    ),
    'leak-val-test': (
        False,
        'images that are in both, so that validation has chosen a checkpoint on them: {n}',
        'keep every image in one split alone',
    ),
}

"""Check labels, mask sizes, classes and channels, and name the remedies.

``LoadStrictAnnotations``, ``DatasetCheckHook`` and ``tools/check_dataset.py`` use these functions.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import DataError
from ..io import counted
from ..models.label_rule import class_count

IGNORE = 255  # ignored label of 8-bit masks, and largest number of their classes
SHOWN = 3  # largest number of files in a text; twice as many values

COLOR_MASK = (
    'name the folder with the label masks, or convert the colors to one channel of class numbers'
)
PALETTE_MASK = (
    'a mask whose palette numbers are the labels needs LoadAnnotations, or palette=True of '
    'LoadStrictAnnotations'
)
STRAY_LABELS = 'correct {0}, or adapt classes, label_map or reduce_zero_label of the dataset to {1}'
OTHER_SIZE = 'use the mask of this image, or resize it with nearest-neighbor interpolation'


def is_stray(values: np.ndarray, classes: int, *, ignored: int = IGNORE) -> np.ndarray:
    """Return for each value whether it is neither a class nor the ignored label.

    Args:
        values: The pixels of a mask, or its distinct values, of any type.
        classes: Number of classes; labels count from 0.
        ignored: The ignored label.

    Returns:
        Booleans of the shape of ``values``.
    """
    known = values < classes
    if values.dtype.kind != 'u':
        known &= values >= 0
    if values.dtype.kind == 'f':
        with np.errstate(invalid='ignore'):
            known &= values % 1 == 0
    return ~(known | (values == ignored))


def is_0_255(values: Collection[float]) -> bool:
    """Return whether the only values of a mask are 255 and perhaps 0."""
    return IGNORE in values and set(values) <= {0, IGNORE}


def save_as_classes(classes: int) -> str:
    """Return the remedy for masks of 0 and 255.

    Args:
        classes: Number of classes of the dataset; 0 if it is not known.
    """
    if classes > 2:
        return (
            f'use masks with the labels 0 to {classes - 1}, as these masks distinguish only two of '
            f'the {classes} classes'
        )
    name = ', and name two classes in metainfo of the dataset' if classes == 1 else ''
    return f'save the foreground as 1{name}'


def is_color(mask: np.ndarray, mode: str = '', *, palette: bool = True) -> bool:
    """Return whether a mask is a color image instead of a label map.

    Args:
        mask: The pixels, (H, W) or (H, W, C).
        mode: Mode of the file as Pillow names it.
        palette: Whether the indices of a color palette are labels.
    """
    return mask.ndim != 2 or (mode == 'P' and not palette)


def list_values(pixels: Mapping[Any, int]) -> str:
    """Format values with their numbers of pixels, the most frequent first."""
    first = sorted(pixels.items(), key=lambda item: -item[1])[: 2 * SHOWN]
    more = f' and {len(pixels) - len(first)} more' if len(pixels) > len(first) else ''
    return ', '.join(f'{value} ({count} px)' for value, count in first) + more


def check_labels(mask: np.ndarray, name: str, classes: int, ignored: int) -> set[int]:
    """Reject a mask with label values that are neither a class nor ignored.

    Args:
        mask: Loaded labels, (H, W).
        name: File of the mask.
        classes: Number of classes.
        ignored: Label of the ignored pixels.

    Returns:
        The values in the mask.

    Raises:
        DataError: If the mask has other values or colors, or there are too many classes.
    """
    if is_color(mask):
        raise DataError(
            f'{name} has {mask.shape[-1]} channels, so it is a color mask: {COLOR_MASK}'
        )
    if mask.dtype == np.uint8 and classes > IGNORE:
        raise DataError(
            f'{name} is loaded with 8 bits, which support {IGNORE} classes and the ignored label, '
            f'but the dataset has {classes} classes: merge some classes'
        )
    values = np.unique(mask)
    stray = values[is_stray(values, classes, ignored=ignored)].tolist()
    if stray and is_0_255(values.tolist()):
        raise DataError(f'{name} contains only 0 and 255: {save_as_classes(classes)}')
    if stray:
        raise DataError(
            f'{name} contains the label values {stray}, but the classes are 0 to {classes - 1} and '
            f'ignored pixels are {ignored}: {STRAY_LABELS.format("the mask", "it")}'
        )
    return set(values.tolist())


def check_size(mask: np.ndarray, name: str, size: Sequence[int] | None) -> None:
    """Reject a mask whose size differs from that of its image.

    Args:
        mask: Labels, (H, W).
        name: File of the mask.
        size: Height and width of the loaded image; ``None`` if they are not known.

    Raises:
        DataError: If the sizes differ.
    """
    if size is not None and mask.shape != tuple(size[:2]):
        raise DataError(
            f'{name} is {mask.shape[1]}x{mask.shape[0]}, but its image is {size[1]}x{size[0]}: '
            f'{OTHER_SIZE}'
        )


def class_conflict(dataset: str, classes: int, head: str, channels: int) -> tuple[str, str] | None:
    """Compare the numbers of classes of a dataset and a head.

    Args:
        dataset: Name of the dataset.
        classes: Number of its classes.
        head: Name of the head in the config.
        channels: Output channels of the head; a single one distinguishes two classes.

    Returns:
        The fault and the remedy; ``None`` if the numbers agree.
    """
    expected = class_count(channels)
    if expected == classes:
        return None
    remedy = f'set model.{head}.num_classes to {classes}'
    if classes == 1:
        remedy = (
            'name every class in metainfo of the dataset, the background too, as in '
            "classes=('background', 'foreground') for masks with the labels 0 and 1"
        )
    elif channels == 1:
        remedy += ' and remove use_sigmoid=True and out_channels, which is 1 only for two classes'
    count = '1 class' if classes == 1 else f'{classes} classes'
    return f'{dataset} has {count}, but the {head.replace("_", " ")} has {expected}', remedy


def channel_conflicts(
    image: str, inputs: Any, *, mean: int | None, in_channels: int | None
) -> Iterator[tuple[str, str]]:
    """Compare the channels of an image with those of the preprocessor and the backbone.

    Args:
        image: Name of the image.
        inputs: The image, (C, H, W), or a list of its versions for test-time augmentation.
        mean: Number of values that the preprocessor subtracts; ``None`` if it is not known.
        in_channels: Channels that the backbone takes; ``None`` if they are not known.

    Yields:
        The fault and the remedy.
    """
    channels = (inputs[0] if isinstance(inputs, list) else inputs).shape[0]
    output = f'{image} has {counted(channels, "channel")} after the pipeline, but'
    if mean not in (None, channels):
        yield (
            f'{output} mean of data_preprocessor has {counted(mean, "value")}',
            f'set {counted(channels, "value")} in mean and std, or load the images with another '
            "color_type ('grayscale' gives 1 channel, 'color' 3)",
        )
    if in_channels not in (None, channels):
        yield (
            f'{output} the backbone takes {in_channels}',
            f'set model.backbone.in_channels to {channels}',
        )

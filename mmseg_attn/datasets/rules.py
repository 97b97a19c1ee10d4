"""Rules for labels, mask sizes, classes and channels, with the remedies for what breaks them.

``LoadStrictAnnotations``, ``DatasetCheckHook`` and ``tools/check_dataset.py`` all judge with these
functions.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import DataError
from ..models.label_rule import class_count

IGNORE = 255  # the ignored label of masks with 8 bits, and the most classes that they hold
SHOWN = 3  # files that a text names, and half of the values

COLOR_MASK = (
    'name the folder with the label masks, or convert the colors to one channel of class numbers'
)
PALETTE_MASK = (
    'a mask whose palette numbers are the labels needs LoadAnnotations, or palette=True of '
    'LoadStrictAnnotations'
)
STRAY_LABELS = 'correct {0}, or fit classes, label_map or reduce_zero_label of the dataset to {1}'
ONLY_0_255 = 'save the foreground as 1'
OTHER_SIZE = 'get the mask of this image, or scale it with nearest-neighbor interpolation'


def is_stray(values: np.ndarray, classes: int, *, ignored: int = IGNORE) -> np.ndarray:
    """Tell for each value whether it is neither a class nor the ignored label.

    Args:
        values: The pixels of a mask, or its distinct values; of any type.
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
    """Tell whether a mask with these values has 255 for the foreground, and at most 0 beside it."""
    return IGNORE in values and set(values) <= {0, IGNORE}


def is_color(mask: np.ndarray, mode: str = '', *, palette: bool = True) -> bool:
    """Tell whether a mask is a color image instead of a label map.

    Args:
        mask: The pixels, (H, W) or (H, W, C).
        mode: Mode of the file as Pillow names it.
        palette: Whether the numbers of a color palette are labels.
    """
    return mask.ndim != 2 or (mode == 'P' and not palette)


def list_values(pixels: Mapping[Any, int]) -> str:
    """List values with their numbers of pixels, the most frequent first."""
    first = sorted(pixels.items(), key=lambda item: -item[1])[: 2 * SHOWN]
    more = f' and {len(pixels) - len(first)} more' if len(pixels) > len(first) else ''
    return ', '.join(f'{value} ({count} px)' for value, count in first) + more


def check_labels(mask: np.ndarray, name: str, classes: int, ignored: int) -> set[int]:
    """Refuse a mask with label values that are neither a class nor ignored.

    Args:
        mask: Loaded labels, (H, W).
        name: File of the mask.
        classes: Number of classes.
        ignored: Label of the pixels that do not count.

    Returns:
        The values in the mask.

    Raises:
        DataError: If there are other values or more classes than values, or the mask has colors.
    """
    if is_color(mask):
        raise DataError(
            f'{name} has {mask.shape[-1]} channels, so it is a color mask: {COLOR_MASK}'
        )
    if mask.dtype == np.uint8 and classes > IGNORE:
        raise DataError(
            f'{name} is loaded with 8 bits, which hold {IGNORE} classes and the ignored label, but '
            f'the dataset has {classes} classes: merge some of them'
        )
    values = np.unique(mask)
    stray = values[is_stray(values, classes, ignored=ignored)].tolist()
    if stray and is_0_255(values.tolist()):
        raise DataError(f'{name} is a 0/255 mask: {ONLY_0_255}')
    if stray:
        raise DataError(
            f'{name} holds the label values {stray}, but there are the classes 0 to '
            f'{classes - 1} and {ignored} for ignored pixels: '
            f'{STRAY_LABELS.format("the mask", "it")}'
        )
    return set(values.tolist())


def check_size(mask: np.ndarray, name: str, size: Sequence[int] | None) -> None:
    """Refuse a mask of another size than its image.

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
        What is wrong, and the remedy; ``None`` if the numbers agree.
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
        remedy += (
            ' and leave out out_channels, which is 1 for two classes only, and use_sigmoid=True'
        )
    count = f'{classes} {"class" if classes == 1 else "classes"}'
    return f'{dataset} has {count} and the {head.replace("_", " ")} {expected}', remedy


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
        What is wrong, and the remedy.
    """
    channels = (inputs[0] if isinstance(inputs, list) else inputs).shape[0]
    output = f'{image} comes out of the pipeline with {channels} channels and'
    if mean not in (None, channels):
        yield (
            f'{output} data_preprocessor has {mean} values in mean',
            f'give mean and std {channels} values, or load the images with another color_type '
            "('grayscale' gives 1 channel, 'color' 3)",
        )
    if in_channels not in (None, channels):
        yield (
            f'{output} the backbone takes {in_channels}',
            f'set model.backbone.in_channels to {channels}',
        )

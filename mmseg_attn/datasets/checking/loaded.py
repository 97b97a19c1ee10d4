"""What a run looks at before its first iteration: what it has built and what it has loaded."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.model import BaseDataPreprocessor
from torch import nn

from ...errors import DataError
from .. import remedies
from .fit import channel_conflicts, check_classes, heads_of_model
from .repeats import find_repeats
from .report import Report
from .sources import look_at

MOST = 255  # classes of a mask of 8 bits


def check_lists(
    datasets: Mapping[str, Sequence[BaseDataset]], segmentor: nn.Module, *, labeled: bool = True
) -> list[str]:
    """Look at what datasets list and name, without opening a file, as ``check_config`` does.

    Args:
        datasets: Datasets without wrappers, by split.
        segmentor: The model.
        labeled: Whether labels are needed, which they are but for writing predictions.

    Returns:
        What may be right, a sentence each: training is possible with it.

    Raises:
        DataError: If images or masks are missing, no labels are loaded, or the classes are not
            those of the heads.
    """
    sources = [look_at(split, each) for split, several in datasets.items() for each in several]
    findings = [
        finding
        for source in sources
        for finding in (*source.findings, *check_classes(source, heads_of_model(segmentor)))
    ]
    for each in findings:
        if each.error and (labeled or each.kind != 'no-labels'):
            raise DataError(each.sentence)
    names: dict[str, list[str]] = {}
    for source in sources:
        names.setdefault(source.split, []).extend(info['img_path'] for info in source.infos)
    findings += find_repeats(names, {})
    return [each.sentence for each in Report({}, findings, sample=None).findings]


def check_channels(inputs: Any, name: str | None, segmentor: nn.Module) -> None:
    """Compare the channels of an image with those that the model takes.

    Args:
        inputs: Image ``(C, H, W)``, or several versions of it for test-time augmentation.
        name: File of the image.
        segmentor: The model.

    Raises:
        DataError: If they differ.
    """
    preprocessor = getattr(segmentor, 'data_preprocessor', None)
    known = isinstance(preprocessor, BaseDataPreprocessor) and hasattr(preprocessor, 'mean')
    layers = getattr(segmentor, 'backbone', nn.Identity()).modules()
    stem = next((each for each in layers if isinstance(each, nn.Conv2d)), None)
    conflicts = channel_conflicts(
        name or 'an image',
        inputs,
        mean=preprocessor.mean.numel() if known else None,
        taken=None if stem is None else stem.in_channels,
    )
    _refuse(next(conflicts, None))


def check_mask(mask: np.ndarray, name: str, classes: int, ignore_index: int) -> set[int]:
    """Look for label values that are neither a class nor ignored.

    Args:
        mask: labels ``(H, W)``.
        name: file of the mask.
        classes: number of classes.
        ignore_index: label of the pixels that do not count.

    Returns:
        The values in the mask.

    Raises:
        DataError: if there are other values or more classes than values, or the mask has colors.
    """
    if mask.ndim != 2:
        raise DataError(
            f'{name} has {mask.shape[-1]} channels, so it is a color mask: {remedies.COLOR_MASK}'
        )
    if mask.dtype == np.uint8 and classes > MOST:
        raise DataError(
            f'{name} is loaded with 8 bits, which hold {MOST} classes and the ignored label, but '
            f'the dataset has {classes} classes: merge some of them'
        )
    values = {int(value) for value in np.unique(mask)}
    unknown = sorted(values - set(range(classes)) - {ignore_index})
    if unknown and values <= {0, 255}:
        raise DataError(f'{name} is a 0/255 mask: {remedies.ONLY_0_255}')
    if unknown:
        raise DataError(
            f'{name} holds the label values {unknown}, but there are the classes 0 to '
            f'{classes - 1} and {ignore_index} for ignored pixels: '
            f'{remedies.STRAY_LABELS.format("the mask", "it")}'
        )
    return values


def check_size(mask: np.ndarray, name: str, size: Sequence[int] | None) -> None:
    """Compare the sizes of a mask and its image.

    Args:
        mask: labels ``(H, W)``.
        name: file of the mask.
        size: height and width of the loaded image, if it is known.

    Raises:
        DataError: if they differ.
    """
    if size is not None and mask.shape != tuple(size[:2]):
        raise DataError(
            f'{name} is {mask.shape[1]}x{mask.shape[0]}, but its image is {size[1]}x{size[0]}: '
            f'{remedies.OTHER_SIZE}'
        )


def _refuse(conflict: tuple[str, str] | None) -> None:
    if conflict is not None:
        raise DataError(': '.join(conflict))

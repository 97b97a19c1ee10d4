"""Describe the classes and the preprocessing of an exported model in its metadata.

The values are strings, as ONNX requires; all but three are JSON.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmcv.transforms import LoadAnnotations, LoadImageFromFile, Normalize
from mmseg.datasets.transforms import PackSegInputs
from mmseg.registry import TRANSFORMS
from torch import Tensor

from ...config_types import is_a, type_name
from ...datasets.transforms import LoadNeighbors, LoadRaster
from ...errors import ExportError
from ...models.label_rule import LabelRule
from ...version import __version__
from .program import PixelsToLogits

# These two, which choose the channels, are described all the same.
CHOOSES_CHANNELS = (LoadNeighbors, LoadRaster)
READS_OR_PACKS = (LoadImageFromFile, LoadAnnotations, PackSegInputs)


def describe(
    module: PixelsToLogits,
    *,
    config: str,
    steps: Sequence[dict],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    loader: dict[str, str] | None = None,
    temperatures: Mapping[str, float] | None = None,
) -> dict[str, str]:
    """Describe a model for users who have only the exported file.

    Args:
        module: The segmentor.
        config: Name of its config.
        steps: The test pipeline.
        classes: Names, in the order of the labels and logits; two names for one logit.
        palette: Colors of the classes, RGB.
        loader: Settings of the loader of the config; ``None`` if unknown.
        temperatures: The numbers that the logits of each checkpoint are divided by, if any.

    Returns:
        As text: ``input``, ``output`` and ``config``. As JSON: ``classes``, ``palette``, ``loader``
        (how a file becomes an array, or null), ``preprocessing`` (the steps from an image to the
        input of the model), ``done_by_model`` (the steps that the model does), ``window`` (size,
        stride and blend of the sliding windows of the config, or null), ``threshold`` (for the
        sigmoid of a single logit, or null), ``temperature`` (of each checkpoint that has one, by
        which the model divides its logits) and ``mmseg_attn``, the version.

    Raises:
        ExportError: If the pipeline swaps the colors, which ``input`` would not tell.
    """
    for step in steps:
        if is_a(step, TRANSFORMS, Normalize) and step.get('to_rgb', True):
            raise ExportError(
                f'the test pipeline of {config} contains Normalize, which swaps red and blue: set '
                'mean, std and bgr_to_rgb of data_preprocessor instead'
            )
    rule, preprocessor = LabelRule.of(module.model), module.model.data_preprocessor
    test = module.model.test_cfg or {}
    channels, smallest = _channels(module), module.smallest
    values = 'as stored' if module.color_type == 'unchanged' else 'from 0 to 255'
    texts = dict(
        input=f'image: float32 (batch, channels, height, width), {channels}, values {values}, '
        f'sides of {smallest} pixels or more, '
        'after the steps in "preprocessing", without those in "done_by_model"',
        output=f'logits: float32 (batch, {rule.channels}, height, width); the label is '
        + (
            'the index of the largest logit'
            if rule.channels > 1
            else '1 where the sigmoid exceeds "threshold"'
        ),
        config=config,
    )
    values = dict(
        classes=list(classes),
        palette=[list(color) for color in palette],
        loader=loader,
        preprocessing=dict(
            channels=channels,
            steps=[
                dict(step, type=type_name(step))
                for step in steps
                if is_a(step, TRANSFORMS, *CHOOSES_CHANNELS)
                or not is_a(step, TRANSFORMS, *READS_OR_PACKS)
            ],
        ),
        done_by_model=dict(
            mean=_numbers(preprocessor.mean, module.order) if module.normalized else None,
            std=_numbers(preprocessor.std, module.order) if module.normalized else None,
            pad_size=module.padding.get('size'),
            pad_divisor=module.padding.get('size_divisor'),
            pad_value=preprocessor.pad_val,
        ),
        window=dict(
            crop_size=test.crop_size, stride=test.stride, blend=test.get('blend', 'uniform')
        )
        if test.get('mode') == 'slide'
        else None,
        threshold=rule.threshold,
        temperature={Path(path).name: value for path, value in (temperatures or {}).items()},
        mmseg_attn=__version__,
    )
    return texts | {name: json.dumps(value, default=str) for name, value in values.items()}


def _channels(module: PixelsToLogits) -> str:
    """Name the channels of the input in their order."""
    if module.color_type.startswith('gray'):
        return 'gray'
    if not module.bgr or module.in_channels < 3:
        return 'as stored'
    return 'RGB' if module.in_channels == 3 else 'RGB, then the other channels as stored'


def _numbers(x: Tensor, order: Sequence[int]) -> list[float]:
    """Return one number per channel, in the channel order of the input."""
    numbers = [float(f'{value:.7g}') for value in x.flatten().tolist()]  # the precision of float32
    if len(numbers) != len(order):  # one for all channels
        return numbers
    return [numbers[order.index(channel)] for channel in range(len(order))]

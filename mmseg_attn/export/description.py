"""What an exported model does not say by itself: its classes, and how a picture becomes its input.

The values are texts, as ONNX files hold them; lists and dictionaries are JSON.
"""

import json
from collections.abc import Sequence

from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from ..version import __version__

# what loads and packs
NO_STEPS = ('LoadImageFromFile', 'LoadAnnotations', 'LoadStrictAnnotations', 'PackSegInputs')


def describe(
    model: EncoderDecoder,
    *,
    config: str,
    color_type: str,
    steps: Sequence[dict],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
) -> dict[str, str]:
    """Describe a model for someone who has the file alone.

    Args:
        model: the segmentor.
        config: name of its config.
        color_type: how the config loads pictures: 'grayscale', 'color' or 'unchanged'.
        steps: the test pipeline.
        classes: names, in the order of the logits.
        palette: colours of the classes, RGB.
    """
    preprocessor, head = model.data_preprocessor, model.decode_head
    colour = 'RGB' if preprocessor.channel_conversion else 'BGR'
    normalised = getattr(preprocessor, '_enable_normalize', False)
    preprocessing = dict(
        channels=dict(grayscale='grey', color=colour).get(color_type, 'as stored'),
        steps=[step for step in steps if step['type'] not in NO_STEPS],
        mean=_numbers(preprocessor.mean) if normalised else None,
        std=_numbers(preprocessor.std) if normalised else None,
        padding=preprocessor.test_cfg or None,
    )
    if head.out_channels == 1:
        output = f'logit of class 1, which it is where the sigmoid exceeds {head.threshold}'
    else:
        output = 'logits of the classes; the largest one is the prediction'
    return dict(
        input='(batch, channels, height, width), float32: (value from 0 to 255 - mean) / std',
        output=f'(batch, {head.out_channels}, height, width), float32: {output}',
        classes=json.dumps(list(classes)),
        palette=json.dumps([list(colour) for colour in palette]),
        preprocessing=json.dumps(preprocessing),
        test_cfg=json.dumps(model.test_cfg),
        config=config,
        mmseg_attn=__version__,
    )


def _numbers(x: Tensor) -> list[float]:
    return [float(f'{value:.7g}') for value in x.flatten().tolist()]  # what float32 holds

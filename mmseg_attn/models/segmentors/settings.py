"""Check the settings of a segmentor that MMSegmentation takes without a check."""

from collections.abc import Iterator, Sequence
from typing import Any

from mmseg.models import CascadeEncoderDecoder, EncoderDecoder
from torch import nn

from ...errors import DataError
from .large_image_encoder_decoder import BLENDS, LargeImageEncoderDecoder

MODES = 'whole', 'slide'


def check_settings(model: nn.Module) -> None:
    """Check ``test_cfg`` of a segmentor, and ``std`` of its preprocessor.

    Raises:
        DataError: As :func:`setting_faults` describes, or if the last head of a cascade has one
            output channel.
    """
    std = getattr(getattr(model, 'data_preprocessor', None), 'std', None)
    values = () if std is None or std.is_meta else std.flatten().tolist()
    if isinstance(model, CascadeEncoderDecoder) and model.decode_head[-1].out_channels == 1:
        raise DataError(
            'the last decode head of CascadeEncoderDecoder has one output channel, which '
            'MMSegmentation does not support there: set num_classes=2 without out_channels'
        )
    for fault in setting_faults(type(model), getattr(model, 'test_cfg', None), values):
        raise DataError(': '.join(fault))


def swaps_colors(preprocessor: nn.Module) -> bool:
    """Tell whether a preprocessor reverses the channels of images with three channels."""
    names = 'channel_conversion', '_channel_conversion', '_reverse'  # MMSegmentation, onedl, ours
    return any(getattr(preprocessor, name, False) for name in names)


def setting_faults(kind: Any, test_cfg: Any, std: Sequence[float]) -> Iterator[tuple[str, str]]:
    """Find settings of a segmentor with which it cannot predict.

    Args:
        kind: The class of the segmentor; ``test_cfg`` of one with modes of its own is not checked.
        test_cfg: Its ``test_cfg``: the mode must be known, and the windows be given without gaps.
        std: The values of its preprocessor, which divides by them.

    Yields:
        The fault and the remedy.
    """
    if not all(std):
        yield (
            f'std of data_preprocessor is {list(std)}, and images are divided by it',
            'set the standard deviation of the training images, or 1',
        )
    if getattr(kind, 'inference', None) is not EncoderDecoder.inference:
        return
    settings: Any = test_cfg or {}
    mode = settings.get('mode', 'whole')
    if mode not in MODES:
        yield f"model.test_cfg has mode='{mode}'", "set 'whole' or 'slide'"
    if mode != 'slide':
        return
    blend = settings.get('blend', 'uniform')
    if blend not in BLENDS or (
        blend != 'uniform' and not issubclass(kind, LargeImageEncoderDecoder)
    ):
        yield (
            f"model.test_cfg has mode='slide' with blend={blend!r}",
            "set 'uniform', or 'gaussian' with model.type='LargeImageEncoderDecoder'",
        )
    number = settings.get('window_batch', 1)
    if not isinstance(number, int) or number < 1:
        yield (
            f"model.test_cfg has mode='slide' with window_batch={number!r}",
            'set the number of windows in a batch, 1 or more',
        )
    size: Any = settings.get('crop_size')
    stride: Any = settings.get('stride')
    if not (_is_pair(size) and _is_pair(stride)):
        yield (
            f"model.test_cfg has mode='slide' with crop_size={size} and stride={stride}",
            'set height and width for both, such as crop_size=(512, 512), stride=(384, 384)',
        )
    elif any(step > side for side, step in zip(size, stride, strict=True)):
        yield (
            f'model.test_cfg has a stride of {tuple(stride)} for windows of {tuple(size)}, which '
            'leaves gaps between them',
            'set a stride that is not larger than crop_size',
        )


def _is_pair(value: Any) -> bool:
    sides = value if isinstance(value, list | tuple) else ()
    return len(sides) == 2 and all(isinstance(side, int) and side > 0 for side in sides)

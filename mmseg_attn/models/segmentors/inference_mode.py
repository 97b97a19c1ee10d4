"""Check the settings by which a segmentor predicts an image whole or in windows."""

from typing import Any

from mmseg.models.segmentors import EncoderDecoder
from torch import nn

from ...errors import DataError

MODES = ('whole', 'slide')


def check_inference_mode(model: nn.Module) -> None:
    """Check ``test_cfg`` of a segmentor, except of one with modes of its own.

    Raises:
        DataError: If the mode is unknown, or the windows are not given or leave gaps.
    """
    if getattr(type(model), 'inference', None) is not EncoderDecoder.inference:
        return
    settings: Any = model.test_cfg or {}
    mode = settings.get('mode', 'whole')
    if mode not in MODES:
        raise DataError(f"model.test_cfg has mode='{mode}': set 'whole' or 'slide'")
    if mode == 'slide':
        size, stride = settings.get('crop_size'), settings.get('stride')
        if not (_is_pair(size) and _is_pair(stride)):
            raise DataError(
                f"model.test_cfg has mode='slide' with crop_size={size} and stride={stride}: set "
                'height and width for both, such as crop_size=(512, 512), stride=(384, 384)'
            )
        if any(step > side for side, step in zip(size, stride, strict=True)):
            raise DataError(
                f'model.test_cfg has a stride of {tuple(stride)} for windows of {tuple(size)}, '
                'which leaves gaps between them: set a stride that is not larger than crop_size'
            )


def _is_pair(value: Any) -> bool:
    sides = value if isinstance(value, list | tuple) else ()
    return len(sides) == 2 and all(isinstance(side, int) and side > 0 for side in sides)

"""Read the input shape of a model from its config."""

import re
from pathlib import Path

from mmengine.config import Config


def input_shape(cfg: Config) -> tuple[int, int, int] | None:
    """Return channels, height and width; the name of the config ends in ``-<height>x<width>.py``.

    Returns:
        The shape; ``None`` if the name does not end in a size.
    """
    size = re.search(r'(\d+)x(\d+)$', Path(cfg.filename).stem)
    return size and (channels(cfg), int(size[1]), int(size[2]))


def channels(cfg: Config) -> int:
    """Return the number of input channels; 3 if the config does not say it."""
    model = cfg.model
    if 'models' in model:  # an ensemble
        model = model.models[0] if isinstance(model.models, list) else model.models
    return (model.get('backbone') or {}).get('in_channels', 3)

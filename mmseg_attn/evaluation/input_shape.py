"""The image that a config's model is meant for."""

import re
from pathlib import Path

from mmengine.config import Config


def input_shape(cfg: Config) -> tuple[int, int, int] | None:
    """Channels, and height and width from the end of the config's name, as in ``-512x1024.py``.

    Returns:
        ``None`` if the name does not end in a size.
    """
    size = re.search(r'(\d+)x(\d+)$', Path(cfg.filename).stem)
    return size and (channels(cfg), int(size[1]), int(size[2]))


def channels(cfg: Config) -> int:
    """Channels of the input."""
    return cfg.model.backbone.get('in_channels', 3)

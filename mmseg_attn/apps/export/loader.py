"""Describe the loader of a config, which determines the input channels of an exported model."""

from collections.abc import Sequence
from typing import NamedTuple

from mmseg.registry import TRANSFORMS


class Loader(NamedTuple):
    """The settings of ``LoadImageFromFile``.

    Attributes:
        color_type: 'grayscale', 'color' or 'unchanged', the first two optionally with
            '_ignore_orientation'.
        imdecode_backend: The decoder: 'cv2', 'pillow', 'turbojpeg' or 'tifffile'.
    """

    color_type: str
    imdecode_backend: str

    @property
    def bgr(self) -> bool:
        """Whether colors are in BGR; ``tifffile`` returns them as they are stored."""
        return self.imdecode_backend != 'tifffile' and not self.color_type.startswith('gray')


def loader_of(steps: Sequence[dict]) -> Loader:
    """Return the loader of a pipeline that begins with ``LoadImageFromFile``."""
    transform = TRANSFORMS.build(dict(steps[0]))
    backend = transform.imdecode_backend or 'cv2'
    return Loader('unchanged' if backend == 'tifffile' else transform.color_type, backend)

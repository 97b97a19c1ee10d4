"""How a config loads images, which decides about the channels of an exported model's input."""

from collections.abc import Sequence
from typing import NamedTuple

from mmseg.registry import TRANSFORMS


class Loader(NamedTuple):
    """How images become arrays.

    Attributes:
        color_type: As of ``LoadImageFromFile``: 'grayscale', 'color' or 'unchanged', the first two
            perhaps with '_ignore_orientation'.
        imdecode_backend: What decodes files: 'cv2', 'pillow', 'turbojpeg' or 'tifffile'.
    """

    color_type: str
    imdecode_backend: str

    @property
    def bgr(self) -> bool:
        """Whether colors come as BGR; ``tifffile`` gives them as they are stored."""
        return self.imdecode_backend != 'tifffile' and not self.color_type.startswith('gray')


def loader_of(steps: Sequence[dict]) -> Loader:
    """Read the loader off a pipeline that begins with ``LoadImageFromFile``."""
    transform = TRANSFORMS.build(dict(steps[0]))
    backend = transform.imdecode_backend or 'cv2'
    return Loader('unchanged' if backend == 'tifffile' else transform.color_type, backend)

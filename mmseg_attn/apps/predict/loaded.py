"""Load a file for a model, with the loader of its config if that can read the file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import UnknownTypeError, UnsupportedError
from .intensities import Intensities, IntensityMapping
from .loader import ConfigLoader, channels
from .sources import FileContent, read_content


@dataclass
class Loaded:
    """A file that is ready for a model.

    Attributes:
        content: The content of the file.
        images: Input of the model, (H, W) or (H, W, C), in the channel order of the loader.
        mapping: The conversion of values of more than 8 bits; ``None`` without a conversion.
    """

    content: FileContent
    images: list[np.ndarray]
    mapping: IntensityMapping | None = None


def load_file(
    path: Path, loader: ConfigLoader, intensities: Intensities, *, in_channels: int | None = None
) -> Loaded:
    """Load a file.

    The loader of the config reads images and pages, if it can and does not change the values. Our
    own reader reads volumes, DICOM files, and values of more than 8 bits for an 8-bit model, and
    converts them to the channels of the loader.

    Args:
        path: The file.
        loader: The loader of the config.
        intensities: The conversion of values of more than 8 bits.
        in_channels: Number of channels that the model takes; ``None`` if unknown.

    Raises:
        DataError: If the file is damaged, not supported or too large, or its values or bands
            do not fit the model.
        OSError: If the file cannot be read.
    """
    try:
        content = read_content(path)
    except UnknownTypeError:  # the loader may know the type
        image = loader.load(path, None)
        if image is None:
            raise
        return Loaded(FileContent([image]), [image])
    if not (loader.bgr or content.medical):  # the model was trained on values as stored
        image = loader.load(path, None)
        if image is not None and image.ndim <= 3 and channels(image) == in_channels:
            # the loader may return several slices as the channels of one image
            one = len(content.slices) == 1
            if one or image.size == sum(pixels.size for pixels in content.slices):
                return Loaded(content, [image])
    if content.bands and loader.color_type != 'unchanged':
        raise UnsupportedError(
            f'{path} contains {content.bands} bands that are not colors, but the loader of the '
            f'config ({loader}) supports only gray and color images: use such an image, or train a '
            "model with imdecode_backend='tifffile'"
        )
    values, mapping = intensities.apply(path, content)
    if mapping is None and content.images:
        return Loaded(content, loader.load_all(path, content.images))
    return Loaded(content, [loader.prepare(image) for image in values], mapping)

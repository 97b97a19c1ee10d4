"""Load a file for a model, with the loader of its config if that can read the file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import UnknownTypeError, UnsupportedError
from ...io import counted
from ...io.ome_zarr import ZarrSlices
from .intensities import Intensities, IntensityMapping
from .lazy import LazySlices
from .loader import ConfigLoader, channels
from .sources import FileContent, StackRules, read_content


@dataclass
class Loaded:
    """A file that is ready for a model.

    Attributes:
        content: The content of the file.
        images: Input of the model, (H, W) or (H, W, C), in the channel order of the loader; of a
            volume that is read by slices, they are computed when they are needed.
        mapping: The conversion of values of more than 8 bits; ``None`` without a conversion.
    """

    content: FileContent
    images: Sequence[np.ndarray]
    mapping: IntensityMapping | None = None


def load_file(
    path: Path,
    loader: ConfigLoader,
    intensities: Intensities,
    *,
    in_channels: int | None = None,
    rules: StackRules | None = None,
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
        rules: How to read TIFF and OME-Zarr files.

    Raises:
        DataError: If the file is damaged, not supported or too large, or its values or bands
            do not fit the model.
        OSError: If the file cannot be read.
    """
    try:
        content = read_content(path, rules)
    except UnknownTypeError:  # the loader may know the type
        image = loader.load(path, None)
        if image is None or any(rules or ()):
            raise
        return Loaded(FileContent([image]), [image])
    # the model may have been trained on values as stored
    if content.images and not (content.axes or loader.bgr):
        image = loader.load(path, None)
        if image is not None and image.ndim <= 3 and channels(image) == in_channels:
            # the loader may return several slices as the channels of one image
            one = len(content.slices) == 1
            if one or image.size == sum(pixels.size for pixels in content.slices):
                return Loaded(content, [image])
    _check_channels(path, content, loader, in_channels)
    values, mapping = intensities.apply(path, content)
    if mapping is None and content.images:
        return Loaded(content, loader.load_all(path, content.images))
    if isinstance(content.slices, ZarrSlices):
        return Loaded(content, LazySlices(values, loader.prepare), mapping)
    return Loaded(content, [loader.prepare(image) for image in values], mapping)


def _check_channels(
    path: Path, content: FileContent, loader: ConfigLoader, in_channels: int | None
) -> None:
    """Refuse bands that the loader does not support, or of which the user must choose some."""
    bands, count = content.bands, channels(content.slices[0])
    separate = not (content.images or content.medical)
    axes = ' (or --axes, if they are slices)' if separate and not content.chosen else ''
    colors = content.chosen and bands == 3 and loader.color_type == 'color'
    if bands and loader.color_type != 'unchanged' and not colors:
        choice = 'one or three' if loader.color_type == 'color' and bands > 2 else 'one'
        raise UnsupportedError(
            f'{path} contains {bands} bands that are not colors, but the loader of the config '
            f'({loader}) supports only gray and color images: choose {choice} with --channels'
            f"{axes}, use such an image, or train a model with imdecode_backend='tifffile'"
        )
    if separate and loader.color_type == 'unchanged' and in_channels not in (None, count):
        raise UnsupportedError(
            f'{path} has {counted(count, "channel")}, but the model takes {in_channels}: name the '
            f'channels of the model, from 0 on and in its order, with --channels{axes}'
        )

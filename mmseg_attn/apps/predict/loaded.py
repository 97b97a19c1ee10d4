"""Load a file as a model takes it: with the loader of its config wherever that can read it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import UnknownTypeError, UnsupportedError
from .intensities import Intensities, Mapping
from .loader import ConfigLoader, channels
from .sources import Source, read_source


@dataclass
class Loaded:
    """A file as a model takes it.

    Attributes:
        source: What the file holds.
        images: What the model gets, (H, W) or (H, W, C), in the order of the config's loader.
        mapping: What was done to values of more than 8 bits, if anything.
    """

    source: Source
    images: list[np.ndarray]
    mapping: Mapping | None = None


def load_file(
    path: Path, loader: ConfigLoader, intensities: Intensities, *, taken: int | None = None
) -> Loaded:
    """Load a file.

    The loader of the config reads every file with one image that it can read, if it gives what the
    file holds. Volumes, DICOM files, pages, and values of more than 8 bits for a model of 8 bits
    are read by our own reader and get the channels that the loader would give.

    Args:
        path: The file.
        loader: The loader of the config.
        intensities: What is done to values of more than 8 bits.
        taken: Number of channels that the model takes, if known.

    Raises:
        DataError: If the file is damaged, not supported or too large, or its values or bands
            are not those of the model.
        OSError: If it cannot be read.
    """
    try:
        source = read_source(path)
    except UnknownTypeError:  # but the loader may know it
        image = loader.load(path, None)
        if image is None:
            raise
        return Loaded(Source([image]), [image])
    if not (loader.bgr or source.medical):  # as stored: the model takes what it was trained on
        image = loader.load(path, None)
        if image is not None and image.ndim <= 3 and channels(image) == taken:
            several = len(source.slices) > 1  # unless they are what the loader takes for one image
            if not several or image.size == sum(each.size for each in source.slices):
                return Loaded(source, [image])
    if source.bands and loader.color_type != 'unchanged':
        raise UnsupportedError(
            f'{path} holds {source.bands} bands, which are no colors, but the loader of the config '
            f'({loader}) is for gray and color images: give one of these, or train a model with '
            "imdecode_backend='tifffile'"
        )
    values, mapping = intensities.apply(path, source)
    if mapping is None and source.image is not None:
        image = loader.load(path, source.image)
        if image is not None:
            return Loaded(source, [image])
    return Loaded(source, [loader.prepare(each) for each in values], mapping)

"""Load images and labels with the transforms of a config, and name what cannot be loaded."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from mmcv.transforms import LoadAnnotations
from mmengine import fileio
from mmseg.datasets.transforms import LoadAnnotations as HostAnnotations
from PIL import UnidentifiedImageError

from ..errors import DataError
from ..io import explain, read_image, read_images
from .transforms import LoadStrictAnnotations


def apply_loaders(loaders: Sequence[Callable[[dict], dict]], results: dict) -> dict:
    """Apply transforms that load.

    Args:
        loaders: The transforms.
        results: What a dataset says of an image.

    Raises:
        DataError: If one of them cannot load a file.
        OSError: If a file is missing or cannot be read.
    """
    for load in loaders:
        path = results.get('seg_map_path' if isinstance(load, LoadAnnotations) else 'img_path')
        try:
            results = load(results)
        except (DataError, MemoryError):
            raise
        except Exception as error:  # decoders raise nearly anything
            if path is None or (isinstance(error, OSError) and error.errno is not None):
                raise
            raise explain(error, path) from error
        if isinstance(load, LoadAnnotations):
            check_width(load, path)
    return results


def check_width(load: Callable[[dict], dict], path: str | None) -> None:
    """Compare the labels in a mask with the 8 bits that MMSegmentation's loader keeps of them.

    Args:
        load: The transform that loads it; our own strict one looks itself.
        path: The mask.

    Raises:
        DataError: If a label is above 255, below 0 or no whole number.
    """
    host = isinstance(load, HostAnnotations) and not isinstance(load, LoadStrictAnnotations)
    if path is None or not host or not Path(path).is_file():
        return
    try:
        labels = read_image(Path(path).read_bytes(), name=path, formats=None).pixels
    except DataError:  # the host has read it, in its way
        return
    if labels.dtype in (bool, np.uint8):
        return
    with np.errstate(invalid='ignore'):
        changed = labels[labels != labels.astype(np.uint8)]
    if changed.size:
        raise DataError(
            f'{path} holds the label {changed.flat[0]:g}, of which {type(load).__name__} keeps 8 '
            'bits: number the classes from 0 to 254'
        )


def find_fault(info: dict, backend_args: dict | None = None) -> DataError | None:
    """Look for the file that a pipeline has failed on.

    Args:
        info: What a dataset says of an image.
        backend_args: Where files are, as in MMEngine.

    Returns:
        What is wrong with its image or its mask; ``None`` if our readers find both sound, or know
        nothing of their types.
    """
    for path in filter(None, (info.get('img_path'), info.get('seg_map_path'))):
        try:
            read_images(fileio.get(path, backend_args=backend_args), name=Path(path))
        except DataError as error:
            if not isinstance(error.__cause__, UnidentifiedImageError) or _is_image(path):
                return error
        except OSError:
            continue
    return None


def _is_image(path: str) -> bool:
    return path.lower().endswith(('.png', '.jpg', '.jpeg', '.tif', '.tiff', '.bmp', '.webp'))

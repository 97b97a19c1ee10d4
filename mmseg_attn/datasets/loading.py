"""Find the file that a pipeline cannot load."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from mmengine import fileio
from mmseg.datasets.transforms import LoadAnnotations as HostAnnotations
from PIL import UnidentifiedImageError

from ..errors import DataError
from ..io import read_image, read_images
from .rules import is_stray
from .transforms import LoadStrictAnnotations


def check_width(load: Callable[[dict], dict], path: str | None) -> None:
    """Reject a mask whose labels do not fit into the 8 bits of MMSegmentation's loader.

    Args:
        load: The transform that loads the mask; ``LoadStrictAnnotations`` checks masks itself.
        path: File of the mask.

    Raises:
        DataError: If a label is above 255, below 0 or not an integer.
    """
    host = isinstance(load, HostAnnotations) and not isinstance(load, LoadStrictAnnotations)
    if path is None or not host or not Path(path).is_file():
        return
    try:
        labels = read_image(Path(path).read_bytes(), name=path, formats=None).pixels
    except DataError:  # the host could read it
        return
    if labels.dtype in (bool, np.uint8):
        return
    stray = labels[is_stray(labels, 256)]
    if stray.size:
        raise DataError(
            f'{path} contains the label {stray.flat[0]:g}, but {type(load).__name__} keeps only 8 '
            'bits: number the classes from 0 to 254'
        )


def find_fault(info: dict, backend_args: dict | None = None) -> DataError | None:
    """Find the file on which a pipeline has failed.

    Args:
        info: Entry of a dataset for an image.
        backend_args: File backend, as in MMEngine.

    Returns:
        The error of the image or the mask; ``None`` if our readers can read both, or do not know
        their types.
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

"""Load images and labels with the transforms of a config, and name what cannot be loaded."""

from collections.abc import Callable, Sequence
from pathlib import Path

from mmcv.transforms import LoadAnnotations
from mmengine import fileio
from PIL import UnidentifiedImageError

from .conversion import ConversionError, explain, read_images
from .errors import DataError


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
    return results


def find_fault(info: dict, backend_args: dict | None = None) -> ConversionError | None:
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
        except ConversionError as error:
            if not isinstance(error.__cause__, UnidentifiedImageError) or _is_image(path):
                return error
        except OSError:
            continue
    return None


def _is_image(path: str) -> bool:
    return path.lower().endswith(('.png', '.jpg', '.jpeg', '.tif', '.tiff', '.bmp', '.webp'))

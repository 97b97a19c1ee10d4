"""Encode the images of the page as data URIs."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

_SMALLEST, _LARGEST = 256, 640  # smallest and largest longer side of an image, in pixels
_ERROR_COLORS = (213, 94, 0), (230, 0, 150), (0, 90, 255)  # candidates
_DISTINCT = 90  # smallest distance of two colors in RGB
_PALE = 0.35  # opacity of the image behind the errors


def fit(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize an image to the height and width of its label map."""
    if image.shape[:2] == shape:
        return image
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(shape[::-1]))


def colored(labels: np.ndarray, palette: Sequence[Sequence[int]], image: np.ndarray) -> np.ndarray:
    """Color a label map, and show the image at pixels without a label.

    Args:
        labels: The label map (H, W).
        palette: Colors of the classes, RGB.
        image: The image (H, W, 3).
    """
    pixels, labeled = image.copy(), labels < len(palette)
    pixels[labeled] = np.asarray(palette, dtype=np.uint8)[labels[labeled]]
    return pixels


def errors(
    truth: np.ndarray, labels: np.ndarray, palette: Sequence[Sequence[int]], image: np.ndarray
) -> np.ndarray:
    """Mark the labeled pixels with a wrong prediction on a pale image.

    Args:
        truth: The ground truth (H, W).
        labels: The predicted labels (H, W).
        palette: Colors of the classes, RGB; labels beyond are ignored.
        image: The image (H, W, 3).
    """
    pixels = (255 - _PALE * (255 - image.astype(np.float32))).astype(np.uint8)
    pixels[(truth != labels) & (truth < len(palette))] = error_color(palette)
    return pixels


def error_color(palette: Sequence[Sequence[int]]) -> tuple[int, int, int]:
    """Choose the first candidate that differs from the class colors, or the most distant."""

    def distance(color: Sequence[int]) -> float:
        return min(np.linalg.norm(np.subtract(color, other)) for other in palette)

    distinct = (color for color in _ERROR_COLORS if distance(color) >= _DISTINCT)
    return next(distinct, max(_ERROR_COLORS, key=distance))


def hexadecimal(color: Sequence[int]) -> str:
    """Format a color for CSS."""
    return '#{:02x}{:02x}{:02x}'.format(*color)


def png(pixels: np.ndarray, *, smooth: bool = False) -> str:
    """Encode an image as a data URI; a small one is enlarged, a large one reduced.

    Args:
        pixels: The image (H, W, 3).
        smooth: Whether to interpolate values; labels must not be interpolated.
    """
    image = Image.fromarray(np.ascontiguousarray(pixels))
    longer = max(image.size)
    scale = max(1, _SMALLEST // longer) if longer < _LARGEST else _LARGEST / longer
    size = [max(1, round(side * scale)) for side in image.size]
    resampling = Image.LANCZOS if smooth and scale < 1 else Image.NEAREST
    stream = io.BytesIO()
    image.resize(size, resampling).save(stream, format='PNG', optimize=True)
    return _data_uri(stream.getvalue())


def figure_uri(figure: Figure) -> str:
    """Encode a figure as a data URI."""
    stream = io.BytesIO()
    figure.savefig(stream, format='png', metadata={'Software': None})
    return _data_uri(stream.getvalue())


def _data_uri(data: bytes) -> str:
    return f'data:image/png;base64,{base64.b64encode(data).decode()}'

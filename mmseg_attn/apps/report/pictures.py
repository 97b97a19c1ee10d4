"""Pictures that stand inside a page."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

LEAST, MOST = 256, 640  # pixels of the longer side of a picture
MISTAKES = (213, 94, 0), (230, 0, 150), (0, 90, 255)  # one is chosen
DISTINCT = 90  # least distance of two colors in RGB
PALE = 0.35  # how much of the image is left behind the errors


def image_of(item: dict, *, bgr: bool = True) -> np.ndarray:
    """The image that a pipeline has packed, (H, W, 3) in RGB and 8 bits; of many channels three."""
    inputs = item['inputs'].numpy()
    image = np.moveaxis(inputs[:3] if len(inputs) > 2 else inputs[:1], 0, -1)
    image = image[..., ::-1] if bgr else image
    if image.dtype != np.uint8:
        low, high = float(image.min()), float(image.max())
        image = ((image - low) * (255 / (high - low or 1))).astype(np.uint8)
    return np.broadcast_to(image, (*image.shape[:2], 3))


def fit(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bring an image to the height and width of its labels."""
    if image.shape[:2] == tuple(shape):
        return image
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(shape[::-1]))


def colored(labels: np.ndarray, palette: Sequence[Sequence[int]], image: np.ndarray) -> np.ndarray:
    """Give every class its color; where there is no label the image is seen.

    Args:
        labels: (H, W).
        palette: Colors of the classes, RGB.
        image: (H, W, 3).
    """
    drawn, known = image.copy(), labels < len(palette)
    drawn[known] = np.asarray(palette, dtype=np.uint8)[labels[known]]
    return drawn


def errors(
    truth: np.ndarray, labels: np.ndarray, palette: Sequence[Sequence[int]], image: np.ndarray
) -> np.ndarray:
    """Mark the labeled pixels that are wrong on the paled image.

    Args:
        truth: True labels (H, W).
        labels: Predicted labels (H, W).
        palette: Colors of the classes, RGB; labels beyond are none.
        image: (H, W, 3).
    """
    drawn = (255 - PALE * (255 - image.astype(np.float32))).astype(np.uint8)
    drawn[(truth != labels) & (truth < len(palette))] = color_of_mistakes(palette)
    return drawn


def color_of_mistakes(palette: Sequence[Sequence[int]]) -> tuple[int, int, int]:
    """The first of a few colors that is unlike those of the classes, or else the least alike."""

    def distance(color: Sequence[int]) -> float:
        return min(np.linalg.norm(np.subtract(color, other)) for other in palette)

    unlike = (color for color in MISTAKES if distance(color) >= DISTINCT)
    return next(unlike, max(MISTAKES, key=distance))


def hexadecimal(color: Sequence[int]) -> str:
    """A color as CSS writes it."""
    return '#{:02x}{:02x}{:02x}'.format(*color)


def png(pixels: np.ndarray, *, smooth: bool = False) -> str:
    """A picture as a data URI; small ones are enlarged, large ones reduced.

    Args:
        pixels: (H, W, 3).
        smooth: Whether its values may be mixed, which those of labels may not.
    """
    image = Image.fromarray(np.ascontiguousarray(pixels))
    longer = max(image.size)
    scale = max(1, LEAST // longer) if longer < MOST else MOST / longer
    size = [max(1, round(side * scale)) for side in image.size]
    resampling = Image.LANCZOS if smooth and scale < 1 else Image.NEAREST
    stream = io.BytesIO()
    image.resize(size, resampling).save(stream, format='PNG', optimize=True)
    return data_uri(stream.getvalue())


def drawing(figure: Figure) -> str:
    """A figure as a data URI."""
    stream = io.BytesIO()
    figure.savefig(stream, format='png', metadata={'Software': None})
    return data_uri(stream.getvalue())


def data_uri(data: bytes) -> str:
    """A PNG file as an address that holds it."""
    return f'data:image/png;base64,{base64.b64encode(data).decode()}'

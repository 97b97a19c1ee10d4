"""Load files with the loader of a config, as training and testing do."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from mmcv import imfrombytes
from mmcv.transforms import LoadImageFromFile

from ...errors import UnsupportedError
from ...io import DecodedImage, counted, select_page
from ...io.numbered import LAST_NUMBER

# Largest mean difference (0 to 255) between JPEG decoders, or between conversions to gray
TOLERANCE = 2.0
WIDER = {np.dtype(np.uint8): np.uint16, np.dtype(np.uint16): np.uint32}  # for products
BRIGHT = 0.98  # fraction of the pixels within the limits of gray values or of blended colors


class ConfigLoader:
    """Load images with the loader of a config, and convert other images to its channels.

    Args:
        transform: MMSegmentation's ``LoadImageFromFile`` or a subclass.

    Attributes:
        color_type: 'grayscale', 'color' or 'unchanged'; always 'unchanged' for ``tifffile``.
        bgr: Whether colors are in BGR; ``tifffile`` returns them as they are stored.
        neighbors: Number of slices below and above each slice that ``LoadNeighbors`` adds as
            channels; 0 for other loaders. The loader itself loads single slices.
        pattern: How ``LoadNeighbors`` finds the number of a slice.
    """

    def __init__(self, transform: LoadImageFromFile) -> None:
        self.transform = copy.copy(transform)
        self.transform.to_float32 = False  # a conversion here would hide lost bits
        self.neighbors = getattr(transform, 'neighbors', 0)
        self.pattern = getattr(transform, 'pattern', LAST_NUMBER)
        if self.neighbors:
            self.transform.neighbors = 0
        self.backend = transform.imdecode_backend or 'cv2'
        self.bgr = self.backend != 'tifffile'
        color_type = transform.color_type.removesuffix('_ignore_orientation')
        self.color_type = color_type if self.bgr else 'unchanged'

    def __str__(self) -> str:
        return f'imdecode_backend={self.backend!r}, color_type={self.transform.color_type!r}'

    def as_gray(self) -> 'ConfigLoader':
        """Return a loader with the same decoder, for gray images."""
        transform = copy.copy(self.transform)
        transform.color_type = 'grayscale'
        return ConfigLoader(transform)

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """Convert an image to the channels that the loader returns.

        Args:
            image: (H, W), (H, W, 3) in RGB, or (H, W, C).

        Returns:
            (H, W), or (H, W, C) whose first three channels are in BGR if ``bgr``.
        """
        if not self.bgr:
            return image
        count = channels(image)
        if self.color_type == 'grayscale' and count == 3:
            return self._to_gray(image)
        if self.color_type == 'color' and count == 1:
            return np.stack([image] * 3, axis=-1)
        if count < 3:
            return image
        return image[..., [2, 1, 0, *range(3, count)]]

    def load_all(self, path: Path, images: Sequence[DecodedImage]) -> list[np.ndarray]:
        """Load the images of a file, each page as if it were a file of its own.

        Args:
            path: The file.
            images: Its images, which our own reader returned.

        Returns:
            Each image as the loader returns it; as :meth:`prepare` returns it if the loader cannot
            read it.

        Raises:
            UnsupportedError: If the loader changes the values of the file.
        """
        if len(images) == 1:
            loaded = [self.load(path, images[0])]
        elif self.bgr:
            data = bytearray(path.read_bytes())
            loaded = [self._load_page(path, data, image) for image in images]
        else:
            loaded = [image.pixels for image in images]
        return [
            self.prepare(image.visible(path)) if own is None else own
            for image, own in zip(images, loaded, strict=True)
        ]

    def load(self, path: Path, image: DecodedImage | None) -> np.ndarray | None:
        """Load a file with one image.

        Args:
            path: The file.
            image: The image that our own reader returned; ``None`` if it does not know the type.

        Returns:
            The loaded image, (H, W) or (H, W, C); ``None`` if the loader cannot read the file.

        Raises:
            UnsupportedError: If the loader changes the values of the file.
        """
        try:
            loaded = self.transform(dict(img_path=str(path)))['img']
        except Exception:  # decoders raise nearly anything
            return None
        return self._checked(loaded, image, path)

    def _load_page(self, path: Path, data: bytearray, image: DecodedImage) -> np.ndarray | None:
        if image.page is None:
            return None
        select_page(data, image.page)
        try:
            loaded = imfrombytes(
                data, flag=self.transform.color_type, backend=self.transform.imdecode_backend
            )
        except Exception:  # decoders raise nearly anything
            return None
        return None if loaded is None else self._checked(loaded, image, path)

    def _to_gray(self, image: np.ndarray) -> np.ndarray:
        """Convert an 8-bit image (H, W, 3) in RGB as the decoder of the loader does."""
        if (image == image[..., :1]).all():
            return image[..., 0]
        try:
            plain = [cv2.IMWRITE_TIFF_COMPRESSION, 1]
            _, file = cv2.imencode('.tif', image[..., ::-1], plain)
            gray = imfrombytes(file.tobytes(), flag='grayscale', backend=self.backend)
        except Exception:  # the decoder does not support TIFF
            gray = None
        return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if gray is None else gray

    def _checked(
        self, loaded: np.ndarray, image: DecodedImage | None, path: Path
    ) -> np.ndarray | None:
        loaded = loaded.astype(loaded.dtype.newbyteorder('='), copy=False)
        if image is None or self._agrees(loaded, image, path):
            return loaded
        planes = not self.bgr and loaded.ndim == 3  # which tifffile returns as (C, H, W)
        if planes and np.array_equal(np.moveaxis(loaded, 0, -1), image.pixels):
            return None
        raise UnsupportedError(
            f'{path} ({image.mode}, {image.bits} bits) does not fit the loader of the config '
            f'({self}), which returns {counted(channels(loaded), "channel")} of {loaded.dtype} '
            'with other values: convert the file to the format of the training images'
        )

    def _agrees(self, loaded: np.ndarray, image: DecodedImage, path: Path) -> bool:
        """Return whether the pixels are those of the file, as stored or as a viewer shows them."""
        for pixels in (image.pixels, image.visible(path)):
            expected = self.prepare(pixels)
            if loaded.shape == expected.shape and _same(loaded, expected):
                return True
            to_gray = self.color_type == 'grayscale' and channels(pixels) == 3 and loaded.ndim == 2
            eight = loaded.dtype == pixels.dtype == np.uint8
            if to_gray and eight and _is_brightness(loaded, pixels):
                return True
        return image.alpha and any(
            _is_blend(loaded, self.prepare(same.visible(path)), same.transparency)
            for same in (image, replace(image, orientation=1))
        )


def channels(image: np.ndarray) -> int:
    """Return the number of channels of an image (H, W) or (H, W, C)."""
    return 1 if image.ndim == 2 else image.shape[2]


def _is_brightness(gray: np.ndarray, color: np.ndarray) -> bool:
    """Return whether gray values are brightnesses of colors, by any weights and gamma."""
    if gray.shape != color.shape[:2]:
        return False
    inside = (gray >= color.min(axis=2) - TOLERANCE) & (gray <= color.max(axis=2) + TOLERANCE)
    return bool(inside.mean() >= BRIGHT)


def _is_blend(loaded: np.ndarray, color: np.ndarray, alpha: np.ndarray) -> bool:
    """Return whether values are colors on any background, or divided by their transparency.

    Args:
        loaded: (H, W) or (H, W, C); a last channel with the transparency is allowed.
        color: The colors, (H, W) or (H, W, C).
        alpha: The transparency, (H, W); the largest value of its type is opaque.
    """
    if channels(loaded) in (2, 4) and np.array_equal(loaded[..., -1], alpha):
        loaded = loaded[..., 0] if channels(loaded) == 2 else loaded[..., :-1]
    if color.ndim < loaded.ndim:
        color = np.stack([color] * 3, axis=-1)
    kinds = {loaded.dtype, color.dtype, alpha.dtype}
    if loaded.shape != color.shape or len(kinds) > 1 or not kinds <= {*WIDER}:
        return False
    top, wider = np.iinfo(color.dtype).max, WIDER[color.dtype]
    loaded, color = loaded.astype(wider), color.astype(wider)
    alpha = alpha if color.ndim == 2 else alpha[..., None]
    low = color * alpha // top
    high = np.maximum(low + (top - alpha), color * top // np.maximum(alpha, 1))
    inside = (loaded + wider(TOLERANCE) >= low) & (loaded <= high + wider(TOLERANCE))
    return bool(inside.mean() >= BRIGHT)


def _same(loaded: np.ndarray, expected: np.ndarray) -> bool:
    if expected.dtype != np.uint8:
        return np.array_equal(loaded, expected)
    if loaded.dtype != np.uint8:
        return False
    difference = cv2.absdiff(np.ascontiguousarray(loaded), np.ascontiguousarray(expected))
    return bool(difference.mean() <= TOLERANCE)

"""Represent the decoded content of an image file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import UnsupportedError

CONVERTIBLE = ('CMYK', 'YCbCr', 'HSV')  # Pillow's modes that it turns into RGB
COLORS = ('RGB', 'LAB', 'PA', *CONVERTIBLE)


@dataclass
class DecodedImage:
    """The decoded image of a file, or one of its pages.

    Attributes:
        pixels: The stored values, (H, W) or (H, W, C); indices if there is a palette, bool for one
            bit.
        mode: Pillow's name of the pixel format, or a description.
        bits: Bits per channel in the file.
        palette: The colors of the indices, (N, 3) and uint8; ``None`` without a palette.
        white_is_zero: Whether the lowest value is white.
        alpha: Whether the last channel is transparency.
        orientation: The EXIF orientation; 1 is upright, 5 to 8 exchange height and width.
        page: Position of its directory in a TIFF file; ``None`` if several images share one.
    """

    pixels: np.ndarray
    mode: str
    bits: int = 8
    palette: np.ndarray | None = None
    white_is_zero: bool = False
    alpha: bool = False
    orientation: int = 1
    page: int | None = None

    @property
    def channels(self) -> int:
        """The number of channels; a palette has three."""
        if self.palette is not None:
            return 3
        return 1 if self.pixels.ndim == 2 else self.pixels.shape[2]

    @property
    def bands(self) -> int:
        """The number of bands of an image that is neither gray nor in color; otherwise 0."""
        known = self.mode.startswith(COLORS) or self.pixels.ndim == 2 or self.mode.startswith('LA')
        return 0 if known else self.pixels.shape[2]

    @property
    def transparency(self) -> np.ndarray:
        """The upright last channel, (H, W), if ``alpha`` is set; the largest value is opaque."""
        return upright(self.pixels[..., -1], self.orientation)

    def labels(self, name: str | Path) -> np.ndarray:
        """Return the values as they are stored, (H, W) or (H, W, C).

        Raises:
            UnsupportedError: If 0 is white, which makes the labels ambiguous.
        """
        if self.white_is_zero:
            raise UnsupportedError(
                f'{name} is stored with 0 as white (MINISWHITE): save it with 0 as black'
            )
        return self.pixels

    def visible(self, name: str | Path) -> np.ndarray:
        """Return the image as a viewer shows it: upright, with palette colors, without alpha.

        Further channels of a color image, such as near infrared, are removed too.

        Args:
            name: The file, for messages.

        Returns:
            (H, W) or (H, W, C) in the type of the file, in RGB if the image is in color.

        Raises:
            UnsupportedError: If readers do not agree on the meaning of the values.
        """
        pixels = self.pixels
        if self.palette is not None:
            indices = pixels if pixels.ndim == 2 else pixels[..., 0]  # before the transparency
            pixels = self.palette[np.minimum(indices, len(self.palette) - 1)]
        elif self.mode in CONVERTIBLE:
            pixels = np.array(Image.fromarray(pixels, mode=self.mode).convert('RGB'))
        elif self.mode == 'LAB':
            raise UnsupportedError(f'{name} is in CIELAB colors: save it in RGB')
        if self.alpha and self.palette is None:
            pixels = pixels[..., 0] if pixels.shape[2] == 2 else pixels[..., :-1]
        if self.mode.startswith('RGB'):
            pixels = pixels[..., :3]
        if self.white_is_zero:
            if pixels.dtype not in (bool, np.uint8):
                raise UnsupportedError(
                    f'{name} contains {pixels.dtype} values with 0 as white (MINISWHITE), which '
                    'readers treat in different ways: invert it and save it with 0 as black'
                )
            pixels = ~pixels
        if pixels.dtype == bool:
            pixels = pixels * np.uint8(255)
        return upright(pixels, self.orientation)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Rotate and flip an image (H, W) or (H, W, C) by its EXIF orientation."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels

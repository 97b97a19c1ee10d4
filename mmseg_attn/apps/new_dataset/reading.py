"""Read an image and its mask, and measure them."""

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...errors import DamagedError, DataError, TooLargeError, UnsupportedError
from ...io import (
    DecodedImage,
    check_placement,
    dicom_series,
    first_tags,
    is_dicom,
    is_nifti,
    is_tiff,
    read_images,
    read_slices,
    slice_spacing,
)
from ...io.decoded import upright
from ...io.finite import check_finite
from ...io.sampling import sample
from ...io.slices import IMAGES, check_lossless
from ...io.tiff_tags import LENGTH, WIDTH
from ..convert import Pair
from ..predict.sources import read_content

LARGEST = 8192**2  # pixels of an image file; each training crop decodes its whole file
SAMPLES = 4096  # values of a slice that enter the percentiles
PNG_START, PNG_SIZE = b'\x89PNG', 16  # position of width and height
GRAY, PALETTE, COLOR = 'gray', 'palette', 'color'


@dataclass
class Mask:
    """The slices of a mask file.

    Attributes:
        stored: 'gray', 'palette' or 'color'.
        slices: The gray values, indices or packed colors of every slice, (H, W), integers.
        palette: The packed color of each index; empty without a palette.
        direct: Whether the loader of the configs can read the file.
    """

    stored: str
    slices: list[np.ndarray]
    palette: dict[int, int] = field(default_factory=dict)
    direct: bool = False


@dataclass
class Slice:
    """The measures of an image and its mask, or of one slice of a volume.

    Attributes:
        name: Name of the pair, with the number of the slice in a volume.
        pair: The files.
        index: Number of the slice in its file.
        size: Height and width in pixels.
        channels: Number of channels.
        dtype: Type of the values, as NumPy names it.
        bits: Bits per channel in the file.
        mode: Pixel format of the file.
        series: UID of the DICOM series; empty if there is none.
        medical: Whether the image is a NIfTI or DICOM file.
        spacing: Millimeters between rows and columns; ``None`` if unknown.
        mean: Mean of each channel.
        square: Mean square of each channel.
        samples: Some pixels, (N, channels).
        foreground: Some values of the first channel where the mask is not 0.
        stored: 'gray', 'palette' or 'color': how the mask is stored.
        direct: Whether the loader of the configs can read the mask.
        labels: Pixels of each stored value of the mask.
        palette: The packed color of each index of the mask.
    """

    name: str
    pair: Pair
    index: int
    size: tuple[int, int]
    channels: int
    dtype: str
    bits: int
    mode: str
    series: str
    medical: bool
    spacing: tuple[float, float] | None
    mean: np.ndarray
    square: np.ndarray
    samples: np.ndarray
    foreground: np.ndarray
    stored: str
    direct: bool
    labels: dict[int, int]
    palette: dict[int, int]


def measure(pair: Pair) -> Iterator[Slice]:
    """Read and check an image and its mask.

    Yields:
        The measures of each slice.

    Raises:
        DataError: If a file is damaged, too large or not supported, or the sizes or positions
            differ.
        OSError: If a file cannot be read.
    """
    images, decoded = read_image_slices(pair.image)
    mask = read_mask(pair.mask)
    sizes = [
        (len(slices), *slices[0].shape[:2]) if len(slices) else (0,)
        for slices in (images, mask.slices)
    ]
    if sizes[0] != sizes[1]:
        raise DataError(
            f'{pair.mask} is {_size(mask.slices)}, but its image {pair.image} is '
            f'{_size(images)}: use the mask of this image'
        )
    height, width = images[0].shape[:2]
    check_placement(
        pair.image,
        pair.mask,
        (width, height, len(images)) if is_nifti(pair.image) else (width, height),
    )
    # of the whole file, which may take seconds to read
    medical, spacing = not _is_plain_image(pair.image), slice_spacing(pair.image)
    series = dicom_series(pair.image) if is_dicom(pair.image) else ''
    for index, (pixels, labels) in enumerate(zip(images, mask.slices, strict=True)):
        if pixels.shape[:2] != (height, width) or labels.shape != pixels.shape[:2]:
            raise DataError(f'the pages of {pair.image} differ in size: save one page per file')
        counts = _count(labels)
        flat = pixels.reshape(-1, 1 if pixels.ndim == 2 else pixels.shape[2])
        foreground = flat[labels.ravel() != 0, 0]
        yield Slice(
            name=pair.name if len(images) == 1 else f'{pair.name}_{index:03d}',
            pair=pair,
            index=index,
            size=(height, width),
            channels=flat.shape[1],
            dtype=pixels.dtype.name,
            bits=decoded.bits if decoded else 8 * pixels.dtype.itemsize,
            mode=decoded.mode if decoded else 'medical',
            series=series,
            medical=medical,
            spacing=spacing,
            mean=flat.mean(axis=0, dtype=np.float64),
            square=np.square(flat, dtype=np.float64).mean(axis=0),
            samples=_sample(flat),
            foreground=_sample(foreground),
            stored=mask.stored,
            direct=mask.direct and len(images) == 1,
            labels=counts,
            palette={value: mask.palette[value] for value in counts if mask.palette},
        )


def read_image_slices(path: Path) -> tuple[Sequence[np.ndarray], DecodedImage | None]:
    """Read the slices of an image file as a viewer shows them.

    Returns:
        The slices, (H, W), (H, W, 3) in RGB, or (H, W, C); and the first image as it is stored,
        ``None`` for NIfTI and DICOM files.

    Raises:
        DataError: If the file is damaged, too large or not supported, is partly transparent, or has
            channels beside RGB or pixels without data.
        OSError: If the file cannot be read.
    """
    _check_pixels(path)
    content = read_content(path)
    if not (content.images or content.medical):
        raise UnsupportedError(
            f'{path} contains channels as separate planes: save them as the bands of one image'
        )
    if _is_plain_image(path):
        _check_area(path, *reversed(content.slices[0].shape[:2]))
    for image in content.images:
        if image.alpha and np.unique(image.transparency).size > 1:
            raise UnsupportedError(
                f'{path} is partly transparent ({image.mode}): remove the transparency, or save '
                'it as TIFF with photometric MINISBLACK and without alpha if all channels are data'
            )
        if image.mode.startswith('RGB+'):
            raise UnsupportedError(
                f'{path} has {image.channels} channels and is marked as RGB, so that viewers show '
                'three of them: save it with photometric MINISBLACK if all channels are data, or '
                'with three channels'
            )
    if content.nodata:
        raise UnsupportedError(
            f'{path} has pixels without data (GDAL_NODATA {content.nodata:g}), which would be '
            'trained on: give them another value and remove the tag, or train with LoadRaster '
            '(docs/rasters.md)'
        )
    return content.slices, content.images[0] if content.images else None


def read_mask(path: Path) -> Mask:
    """Read a mask file, in which lossy compression is refused.

    Raises:
        DataError: If the file is damaged, too large or not supported, or was compressed as JPEG.
        OSError: If the file cannot be read.
    """
    _check_pixels(path)
    if not _is_plain_image(path):
        return Mask(GRAY, [_integers(labels, path) for labels in read_slices(path, mask=True)])
    data = path.read_bytes()
    check_lossless(data, path)
    images = read_images(data, name=path, formats=('PNG', 'TIFF'))
    slices, stored, palette = [], GRAY, {}
    for image in images:
        pixels = upright(image.labels(path), image.orientation)
        if image.alpha and (pixels[..., -1] == pixels[0, 0, -1]).all():
            pixels = pixels[..., :-1]
        if pixels.ndim == 3 and pixels.shape[2] == 1:
            pixels = pixels[..., 0]
        if image.palette is not None:
            stored = PALETTE
            palette = dict(enumerate(_pack(image.palette).tolist()))
        elif pixels.ndim == 3:
            if pixels.dtype != np.uint8 or pixels.shape[2] not in (3, 4):
                raise UnsupportedError(
                    f'{path} has {pixels.shape[2]} channels of {pixels.dtype}: save the mask with '
                    'one channel of class numbers, or in 8-bit colors'
                )
            stored, pixels = COLOR, _pack(pixels)
        slices.append(_integers(pixels, path))
    if palette and max(labels.max() for labels in slices) >= len(palette):
        raise DamagedError(f'{path} has pixels without a color in its palette: save it again')
    plain = len(images) == 1 and stored != COLOR and images[0].orientation == 1
    return Mask(stored, slices, palette, direct=plain and images[0].pixels.ndim == 2)


def unpack(color: int) -> tuple[int, ...]:
    """Return red, green and blue of a packed color."""
    return color >> 16 & 255, color >> 8 & 255, color & 255


def _pack(colors: np.ndarray) -> np.ndarray:
    """Pack 8-bit colors (..., 3 or 4) into integers, 0xAARRGGBB with an inverted alpha."""
    red, green, blue = (colors[..., i].astype(np.int64) for i in range(3))
    packed = red << 16 | green << 8 | blue
    if colors.shape[-1] == 4:
        packed |= (255 - colors[..., 3].astype(np.int64)) << 24
    return packed


def _integers(labels: np.ndarray, path: Path) -> np.ndarray:
    check_finite(labels, path)
    if labels.dtype.kind == 'f':
        if (labels % 1).any():
            value = labels[labels % 1 != 0].flat[0]
            raise UnsupportedError(
                f'{path} contains {value:g}, which is not a class number: save the mask with '
                'integers'
            )
        return labels.astype(np.int64)
    return labels.astype(np.uint8) if labels.dtype == bool else labels


def _count(labels: np.ndarray) -> dict[int, int]:
    """Count the pixels of each value, in ascending order."""
    if labels.min() >= 0 and labels.max() < 2**16:  # many times faster than sorting
        counts = np.bincount(labels.ravel())
        values = np.flatnonzero(counts)
        return dict(zip(values.tolist(), counts[values].tolist(), strict=True))
    values, counts = np.unique(labels, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _sample(values: np.ndarray) -> np.ndarray:
    return sample(values, SAMPLES).astype(np.float32)


def _check_pixels(path: Path) -> None:
    """Refuse a large PNG or TIFF file before it is decoded."""
    if not _is_plain_image(path):
        return
    with path.open('rb') as file:
        data = file.read(32)
    if is_tiff(data):
        tags = first_tags(path.read_bytes())[0]
        sides = tags.get(WIDTH, 0), tags.get(LENGTH, 0)
    elif data.startswith(PNG_START) and len(data) >= PNG_SIZE + 8:
        sides = struct.unpack('>II', data[PNG_SIZE : PNG_SIZE + 8])
    else:
        return
    _check_area(path, *(side if isinstance(side, int) else 0 for side in sides))


def _check_area(path: Path, width: int, height: int) -> None:
    if width * height > LARGEST:
        limit = math.isqrt(LARGEST)
        raise TooLargeError(
            f'{path} has {width}x{height} pixels, more than {limit}x{limit}, and each training '
            'crop would decode the whole file: cut the image and its mask into tiles'
        )


def _size(slices: Sequence[np.ndarray]) -> str:
    height, width = slices[0].shape[:2]
    return f'{width}x{height}' + (f' with {len(slices)} slices' if len(slices) > 1 else '')


def _is_plain_image(path: Path) -> bool:
    """Return whether a file is a PNG, JPEG or TIFF file by its name."""
    return path.name.lower().endswith(IMAGES)

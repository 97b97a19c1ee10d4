"""Read an image, DICOM, NIfTI or OME-Zarr file as gray slices or images of several channels."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import UnidentifiedImageError

from ...errors import DataError, UnknownTypeError, UnsupportedError
from ...io import (
    DecodedImage,
    NiftiHeader,
    check_finite,
    counted,
    is_dicom,
    is_nifti,
    is_tiff,
    open_dicom,
    open_nifti,
    read_images,
)
from ...io.axes import StackAxes
from ...io.hyperstack import Hyperstack, read_hyperstack
from ...io.ome_zarr import ZarrSlices, is_zarr
from ...io.slices import IMAGES, SUFFIXES
from ...io.spacing import tiff_area
from ...io.tiff_tags import first_tags, is_plain

GDAL_NODATA = 42113


class StackRules(NamedTuple):
    """How to read TIFF and OME-Zarr files.

    Attributes:
        axes: tifffile's letters for the axes; ``None`` uses those of the file.
        channels: The channels to read, from 0 on and in the order of the model; empty for all.
    """

    axes: str | None = None
    channels: tuple[int, ...] = ()


@dataclass
class FileContent:
    """The content of a file.

    Attributes:
        slices: The slices as a viewer shows them, in the type of the file: (H, W) if gray,
            (H, W, 3) in RGB, otherwise (H, W, C). An image has one slice. Those of OME-Zarr are
            read when they are needed.
        images: The decoded images, for an image file whose channels lie together and were not
            chosen.
        axes: The axes of the slices, for a stack that names them.
        pixel_area: Area of a pixel in square millimeters; ``None`` if unknown.
        voxel_volume: Volume of a voxel in cubic millimeters; ``None`` if unknown.
        nifti: The header of a NIfTI volume.
        bands: Number of bands of an image that is neither gray nor in color; otherwise 0.
        chosen: Whether the user chose the channels.
        medical: Whether the file is a NIfTI or DICOM file.
        nodata: The value that means no data, as GDAL writes it to GeoTIFF files, if pixels have it.
        notes: Assumptions and contradictions, as text that follows the name of the file and a
            colon.
    """

    slices: Sequence[np.ndarray]
    images: Sequence[DecodedImage] = ()
    axes: StackAxes | None = None
    pixel_area: float | None = None
    voxel_volume: float | None = None
    nifti: NiftiHeader | None = None
    bands: int = 0
    chosen: bool = False
    medical: bool = False
    nodata: float | None = None
    notes: list[str] = field(default_factory=list)


def read_content(path: Path, rules: StackRules | None = None) -> FileContent:
    """Read an image, DICOM or NIfTI file, or open an OME-Zarr folder.

    Images are oriented by their EXIF tag, and transparency is removed. Slice k of a NIfTI volume is
    ``volume[:, :, k].T``, as in the converters. In TIFF files that name their axes, C is the
    channel of a slice, and Z and T count the slices, in the order of the file.

    Args:
        path: The file.
        rules: How to read TIFF and OME-Zarr files.

    Raises:
        UnknownTypeError: If none of our readers knows the type of the file.
        DataError: If the file is damaged, not supported or too large.
        OSError: If the file cannot be read.
    """
    rules = rules or StackRules()
    if is_zarr(path):
        return _open_zarr(path, rules)
    if is_nifti(path):
        volume, nifti = open_nifti(path)
        content = FileContent(
            list(volume.T),
            pixel_area=nifti.pixel_area,
            voxel_volume=nifti.voxel_volume,
            nifti=nifti,
            medical=True,
            notes=nifti.notes,
        )
    elif not path.name.lower().endswith(IMAGES) and is_dicom(path):
        pixels, header = open_dicom(path)
        content = FileContent(
            [pixels], pixel_area=header.pixel_area, medical=True, notes=header.notes
        )
    else:
        content = _read_images(path, rules)
    option = '--axes' if rules.axes else '--channels' if rules.channels else None
    if option and (content.medical or not is_tiff(_start(path))):
        raise UnsupportedError(
            f'{path} is no TIFF or OME-Zarr file, to which {option} applies: leave it out, or '
            'predict this file alone'
        )
    if not content.slices or not all(pixels.size for pixels in content.slices):
        raise DataError(f'{path} contains no pixels: get it again')
    return content


def _open_zarr(path: Path, rules: StackRules) -> FileContent:
    slices = ZarrSlices(path, axes=rules.axes, channels=rules.channels)
    count = len(rules.channels) or slices.channels
    return FileContent(
        slices,
        axes=slices.axes,
        pixel_area=slices.axes.pixel_area,
        voxel_volume=slices.axes.voxel_volume,
        bands=count if count > 1 else 0,
        chosen=bool(rules.channels),
    )


def _start(path: Path) -> bytes:
    with path.open('rb') as file:
        return file.read(8)


def _read_images(path: Path, rules: StackRules) -> FileContent:
    data = path.read_bytes()
    stack = Hyperstack(None, None)
    if is_tiff(data) and (rules.axes or not is_plain(data)):
        stack = read_hyperstack(data, name=path, axes=rules.axes)
    known = path.name.lower().endswith(IMAGES)
    try:
        formats = ('PNG', 'JPEG', 'TIFF') if known else None
        images = stack.images or read_images(data, name=path, formats=formats)
    except DataError as error:
        if known or not isinstance(error.__cause__, UnidentifiedImageError):
            raise
        raise UnknownTypeError(
            f'{path} has an unknown type: convert it to one of {", ".join(SUFFIXES)}'
        ) from error
    slices = [image.visible(path) for image in images]
    for values in slices:
        check_finite(values, path)
    nodata = _nodata(data) if is_tiff(data) else None
    found = nodata is not None and any((values == nodata).any() for values in slices)
    bands = max(image.bands for image in images)
    if rules.channels:
        slices = [choose_channels(values, rules.channels, path) for values in slices]
        bands = len(rules.channels) if len(rules.channels) > 1 else 0
    axes = stack.axes if stack.axes and stack.axes.count == len(slices) else None
    return FileContent(
        slices,
        [] if stack.images or rules.channels else images,
        axes,
        chosen=bool(rules.channels),
        voxel_volume=axes.voxel_volume if axes else None,
        pixel_area=tiff_area(data) if is_tiff(data) else None,
        bands=bands,
        nodata=nodata if found else None,
        notes=[f'pixels of GDAL_NODATA {nodata:g} are predicted like all others'] if found else [],
    )


def choose_channels(image: np.ndarray, channels: Sequence[int], path: Path) -> np.ndarray:
    """Choose channels of an image.

    Args:
        image: (H, W) or (H, W, C).
        channels: Their numbers, from 0 on.
        path: The file, for messages.

    Returns:
        (H, W) for one channel, otherwise (H, W, C).

    Raises:
        UnsupportedError: If the image does not have a channel.
    """
    image = image[..., None] if image.ndim == 2 else image
    count = image.shape[2]
    missing = [number for number in channels if not 0 <= number < count]
    if missing:
        numbers = f'0 to {count - 1}' if count > 1 else '0'
        raise UnsupportedError(
            f'{path} has {counted(count, "channel")} ({numbers}), but --channels names '
            f'{missing[0]}: name others'
        )
    return image[..., channels[0]] if len(channels) == 1 else image[..., list(channels)]


def _nodata(data: bytes) -> float | None:
    """Return GDAL's value for no data in a TIFF file, if it is a number."""
    try:
        return float(str(first_tags(data)[0].get(GDAL_NODATA, '')).strip('\0 '))
    except ValueError:
        return None

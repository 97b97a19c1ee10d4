"""Read an image, DICOM or NIfTI file as gray slices or images of several channels."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import UnidentifiedImageError

from ...errors import DataError, UnknownTypeError
from ...io import (
    DecodedImage,
    NiftiHeader,
    check_finite,
    is_dicom,
    is_nifti,
    is_tiff,
    open_dicom,
    open_nifti,
    read_images,
)
from ...io.slices import IMAGES, SUFFIXES
from ...io.spacing import tiff_area
from ...io.tiff_tags import first_tags

GDAL_NODATA = 42113


@dataclass
class FileContent:
    """The content of a file.

    Attributes:
        slices: The slices as a viewer shows them, in the type of the file: (H, W) if gray,
            (H, W, 3) in RGB, otherwise (H, W, C). An image has one slice.
        images: The decoded images, for an image file.
        pixel_area: Area of a pixel in square millimeters; ``None`` if unknown.
        voxel_volume: Volume of a voxel in cubic millimeters; ``None`` if unknown.
        nifti: The header of a NIfTI volume.
        bands: Number of bands of an image that is neither gray nor in color; otherwise 0.
        medical: Whether the file is a NIfTI or DICOM file.
        nodata: The value that means no data, as GDAL writes it to GeoTIFF files.
        notes: Assumptions and contradictions, as text that follows the name of the file and a
            colon.
    """

    slices: Sequence[np.ndarray]
    images: Sequence[DecodedImage] = ()
    pixel_area: float | None = None
    voxel_volume: float | None = None
    nifti: NiftiHeader | None = None
    bands: int = 0
    medical: bool = False
    nodata: float | None = None
    notes: list[str] = field(default_factory=list)


def read_content(path: Path) -> FileContent:
    """Read an image, DICOM or NIfTI file.

    Images are oriented by their EXIF tag, and transparency is removed. Slice k of a NIfTI volume is
    ``volume[:, :, k].T``, as in the converters.

    Raises:
        UnknownTypeError: If none of our readers knows the type of the file.
        DataError: If the file is damaged, not supported or too large.
        OSError: If the file cannot be read.
    """
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
        content = _read_images(path)
    if not content.slices or not all(pixels.size for pixels in content.slices):
        raise DataError(f'{path} contains no pixels: get it again')
    return content


def _read_images(path: Path) -> FileContent:
    data = path.read_bytes()
    known = path.name.lower().endswith(IMAGES)
    try:
        images = read_images(data, name=path, formats=('PNG', 'JPEG', 'TIFF') if known else None)
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
    return FileContent(
        slices,
        images,
        pixel_area=tiff_area(data) if is_tiff(data) else None,
        bands=max(image.bands for image in images),
        nodata=nodata,
        notes=[f'pixels of GDAL_NODATA {nodata:g} are predicted like all others'] if found else [],
    )


def _nodata(data: bytes) -> float | None:
    """Return GDAL's value for no data in a TIFF file, if it is a number."""
    try:
        return float(str(first_tags(data)[0].get(GDAL_NODATA, '')).strip('\0 '))
    except ValueError:
        return None

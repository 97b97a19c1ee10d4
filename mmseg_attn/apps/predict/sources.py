"""Read whatever file a user has as gray slices or images of several channels."""

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
from ...io.slices import PICTURES, SUFFIXES
from ...io.spacing import tiff_area


@dataclass
class Source:
    """The content of a file.

    Attributes:
        slices: As a viewer shows them, in the type of the file: (H, W) if gray, (H, W, 3) in RGB,
            else (H, W, C). Images have one.
        image: What the decoder of an image file with one image returned.
        pixel_area: Square millimeters of a pixel, where the file knows.
        voxel_volume: Cubic millimeters of a voxel, where the file is a volume and knows.
        nifti: The header of a NIfTI volume.
        bands: Number of bands that are neither gray nor a color; 0 if all are.
        medical: Whether it is NIfTI or DICOM.
        notes: What was assumed, and what contradicts itself, in words that go on from "the file".
    """

    slices: Sequence[np.ndarray]
    image: DecodedImage | None = None
    pixel_area: float | None = None
    voxel_volume: float | None = None
    nifti: NiftiHeader | None = None
    bands: int = 0
    medical: bool = False
    notes: list[str] = field(default_factory=list)


def read_source(path: Path) -> Source:
    """Read an image, DICOM or NIfTI file.

    Images are turned as their EXIF tag says, and lose transparency. Slice k of a NIfTI volume is
    ``volume[:, :, k].T``, as in the converters.

    Raises:
        UnknownTypeError: If none of our readers knows its type.
        DataError: If it is damaged, not supported or too large.
        OSError: If it cannot be read.
    """
    if is_nifti(path):
        volume, nifti = open_nifti(path)
        source = Source(
            list(volume.T),
            pixel_area=nifti.pixel_area,
            voxel_volume=nifti.voxel_volume,
            nifti=nifti,
            medical=True,
            notes=nifti.notes,
        )
    elif not path.name.lower().endswith(PICTURES) and is_dicom(path):
        pixels, header = open_dicom(path)
        source = Source([pixels], pixel_area=header.pixel_area, medical=True)
    else:
        source = _read_images(path)
    if not source.slices or not all(each.size for each in source.slices):
        raise DataError(f'{path} holds no pixels: get it again')
    return source


def _read_images(path: Path) -> Source:
    data = path.read_bytes()
    known = path.name.lower().endswith(PICTURES)
    try:
        images = read_images(data, name=path, formats=('PNG', 'JPEG', 'TIFF') if known else None)
    except DataError as error:
        if known or not isinstance(error.__cause__, UnidentifiedImageError):
            raise
        raise UnknownTypeError(
            f'{path} is of no known type ({", ".join(SUFFIXES)}): convert it'
        ) from error
    slices = [image.visible(path) for image in images]
    for each in slices:
        check_finite(each, path)
    return Source(
        slices,
        images[0] if len(images) == 1 else None,
        pixel_area=tiff_area(data) if is_tiff(data) else None,
        bands=max(image.bands for image in images),
    )

"""Read whatever file a user has as grey or colour slices."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from ..datasets.conversion import (
    ConversionError,
    count_pages,
    is_dicom,
    open_image,
    read_dicom,
    read_nifti,
)
from ..datasets.conversion.slices import NIFTI, PICTURES, SUFFIXES
from .spacing import dicom_area, nifti_area, tiff_area

MAX_PAGES_GIB = 4
GREY = ('L', 'F', 'I', 'I;16', 'I;16B', 'I;16L')


@dataclass
class Source:
    """The content of a file.

    Attributes:
        slices: Pictures have one, (H, W) if grey, (H, W, 3) in RGB, in the type of the file.
        pixel_area: Square millimetres of a pixel, where the file knows.
        nifti: The image that a NIfTI volume was read from, without its values.
        medical: Whether it is NIfTI or DICOM.
    """

    slices: list[np.ndarray]
    pixel_area: float | None = None
    nifti: Any = None
    medical: bool = False


def read_source(path: Path) -> Source:
    """Read a PNG, JPEG, TIFF, DICOM or NIfTI file.

    Pictures are turned as their EXIF tag says, and lose transparency. Slice k of a NIfTI volume is
    ``volume[:, :, k].T``, as in the converters.

    Raises:
        ConversionError: If the file is truncated, damaged, or of a kind that is not read.
        OSError: If it cannot be read.
    """
    name = path.name.lower()
    if name.endswith(NIFTI):
        source = _read_nifti(path)
    elif name.endswith(PICTURES):
        source = _read_picture(path)
    elif is_dicom(path):
        source = Source([read_dicom(path)], dicom_area(path), medical=True)
    else:
        raise ConversionError(f'{path} is of no known type ({", ".join(SUFFIXES)}): convert it')
    if not source.slices or not all(each.size for each in source.slices):
        raise ConversionError(f'{path} holds no pixels: get it again')
    return source


def _read_nifti(path: Path) -> Source:
    volume = read_nifti(path)
    import nibabel  # read_nifti found it

    image = nibabel.Nifti1Image.from_filename(path)
    return Source(list(volume.T), nifti_area(image.header), image, medical=True)


def _read_picture(path: Path) -> Source:
    data = path.read_bytes()
    if data[:4] == b'\x89PNG' and data[24:25] == b'\x10' and data[25:26] != b'\0':
        raise ConversionError(
            f'{path} has 16 bits per colour, of which only 8 would be read: save it with 8'
        )
    slices: list[np.ndarray] = []
    area = None
    with open_image(data, name=path, formats=('PNG', 'JPEG', 'TIFF')) as image:
        pages = count_pages(image)
        for page in range(pages):
            if pages > 1:
                image.seek(page)
            slices.append(_pixels(image))
            if sum(each.nbytes for each in slices) > MAX_PAGES_GIB * 2**30:
                raise ConversionError(f'{path} has more than {MAX_PAGES_GIB} GiB: split it')
        if image.format == 'TIFF':
            image.seek(0)
            area = tiff_area(image)
    if not all(np.isfinite(each).all() for each in slices):
        raise ConversionError(f'{path} holds values that are no finite numbers')
    return Source(slices, area)


def _pixels(image: Image.Image) -> np.ndarray:
    turned = ImageOps.exif_transpose(image)
    if turned.mode not in GREY:
        turned = turned.convert('L' if turned.mode in ('1', 'LA', 'La') else 'RGB')
    return np.array(turned)

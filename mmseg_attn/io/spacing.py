"""Read the size of a pixel from DICOM, NIfTI and TIFF files.

Print resolutions, such as the 72 or 300 dots per inch in PNG, JPEG and most TIFF files, are not
related to the size of the objects in the image and are not used.
"""

import html
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .dicom import dicom_header
from .nifti import nifti_affine
from .slices import is_dicom, is_nifti
from .tiff_tags import description, first_tags

MILLIMETERS = {
    'angstrom': 1e-7,
    'å': 1e-7,
    'nm': 1e-6,
    'nanometer': 1e-6,
    'um': 1e-3,
    'µm': 1e-3,  # the micro sign
    'μm': 1e-3,  # the Greek letter
    'micron': 1e-3,
    'microns': 1e-3,
    'micrometer': 1e-3,
    'mm': 1.0,
    'millimeter': 1.0,
    'cm': 10.0,
    'centimeter': 10.0,
    'm': 1e3,
    'meter': 1e3,
}
ESCAPED_MICROMETER = '\\u00b5m'  # as ImageJ writes it
OME_NAMES = dict(X='PhysicalSizeX', Y='PhysicalSizeY', Z='PhysicalSizeZ', T='TimeIncrement')
OME_UNITS = {  # of the names that other files use
    'um': 'µm',
    'μm': 'µm',
    'micron': 'µm',
    'microns': 'µm',
    'micrometer': 'µm',
    'nanometer': 'nm',
    'millimeter': 'mm',
    'centimeter': 'cm',
    'angstrom': 'Å',
    'second': 's',
}
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, CENTIMETER = 282, 283, 296, 3


class Length(NamedTuple):
    """A length or time, with its unit as a file names it, and where the first pixel lies."""

    value: float
    unit: str
    offset: float = 0.0


def slice_spacing(path: Path) -> tuple[float, float] | None:
    """Read the millimeters between rows and between columns of the slices of a file.

    Args:
        path: A file that ``read_slices`` reads.

    Returns:
        The spacing; ``None`` if the file does not contain it, or is neither DICOM nor NIfTI.
    """
    if is_nifti(path):
        columns, rows = np.linalg.norm(nifti_affine(path)[:3, :2], axis=0).tolist()
        spacing = rows, columns
    elif is_dicom(path):
        spacing = dicom_header(path).spacing
    else:
        return None
    return spacing if spacing and all(0 < side < math.inf for side in spacing) else None


def tiff_area(data: bytes) -> float | None:
    """Read the area in square millimeters from OME or ImageJ metadata, or from the TIFF tags."""
    sizes = tiff_sizes(data)
    x, y = (millimeters(*sizes.get(axis, (0, ''))[:2]) for axis in 'XY')
    return x * y if x and y else None


def tiff_sizes(data: bytes) -> dict[str, Length]:
    """Read the size of a pixel from OME or ImageJ metadata, or from the TIFF tags.

    Returns:
        The distances of pixels along X and Y and of slices along Z, and the time between images
        along T, by axis and as far as the file has them.
    """
    tags, _ = first_tags(data)
    text = html.unescape(description(tags))
    sizes: dict[str, Length] = {}
    if '<OME' in text:
        names = r'\b((?:PhysicalSize[XYZ]|TimeIncrement)(?:Unit)?)="([^"]*)"'
        values = dict(re.findall(names, text))
        for axis, name in OME_NAMES.items():
            unit = values.get(f'{name}Unit', 's' if axis == 'T' else 'µm')
            sizes[axis] = Length(_number(values.get(name, 0)), unit)
    else:
        fields = {}
        if text.startswith('ImageJ='):
            fields = dict(re.findall(r'^(unit|spacing|finterval)=(.*)$', text, re.M))
        unit = fields.get('unit', 'cm' if tags.get(RESOLUTION_UNIT) == CENTIMETER else '').strip()
        unit = 'µm' if unit.lower() == ESCAPED_MICROMETER else unit
        for axis, tag in (('X', X_RESOLUTION), ('Y', Y_RESOLUTION)):
            per_unit = _number(tags.get(tag, 0))
            sizes[axis] = Length(1 / per_unit if per_unit else 0, unit)
        sizes['Z'] = Length(_number(fields.get('spacing', 0)), unit)
        sizes['T'] = Length(_number(fields.get('finterval', 0)), 's')
    return {axis: size for axis, size in sizes.items() if 0 < size.value < math.inf}


def millimeters(value: float, unit: str) -> float:
    """Convert a length to millimeters; 0 if it is not a positive length in a known unit."""
    length = value * MILLIMETERS.get(unit.lower(), 0)
    return length if 0 < length < math.inf else 0


def _number(value: Any) -> float:
    """Convert a value to a number; 0 if it is not a number."""
    try:
        return float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0

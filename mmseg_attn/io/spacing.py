"""Read the size of a pixel from DICOM and NIfTI files, and its area from TIFF files.

Print resolutions, such as the 72 or 300 dots per inch in PNG, JPEG and most TIFF files, are not
related to the size of the objects in the image and are not used.
"""

import html
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from .dicom import dicom_header
from .nifti import nifti_affine
from .slices import is_dicom, is_nifti
from .tiff_tags import description, first_tags

MILLIMETERS = {
    'nm': 1e-6,
    'nanometer': 1e-6,
    'um': 1e-3,
    'µm': 1e-3,  # the micro sign
    'μm': 1e-3,  # the Greek letter
    '\\u00b5m': 1e-3,  # as ImageJ escapes it
    'micron': 1e-3,
    'microns': 1e-3,
    'micrometer': 1e-3,
    'mm': 1.0,
    'millimeter': 1.0,
    'cm': 10.0,
    'm': 1e3,
    'meter': 1e3,
}
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, CENTIMETER = 282, 283, 296, 3


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
    tags, _ = first_tags(data)
    text = html.unescape(description(tags))
    if '<OME' in text:
        sizes_and_units = dict(re.findall(r'\b(PhysicalSize[XY](?:Unit)?)="([^"]*)"', text))
        units = [sizes_and_units.get(f'PhysicalSize{axis}Unit', 'µm').lower() for axis in 'XY']
        sizes = [sizes_and_units.get(f'PhysicalSize{axis}', 0) for axis in 'XY']
    else:
        named = re.search(r'^unit=(.*)$', text, re.M) if text.startswith('ImageJ=') else None
        unit = 'cm' if tags.get(RESOLUTION_UNIT) == CENTIMETER else ''
        units = 2 * [named[1].strip().lower() if named else unit]
        per_unit = [_number(tags.get(tag, 0)) for tag in (X_RESOLUTION, Y_RESOLUTION)]
        sizes = [1 / value if value else 0 for value in per_unit]
    x, y = (
        _number(size) * MILLIMETERS.get(unit, 0) for size, unit in zip(sizes, units, strict=True)
    )
    return x * y if 0 < x < math.inf and 0 < y < math.inf else None


def _number(value: Any) -> float:
    """Convert a value to a number; 0 if it is not a number."""
    try:
        return float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0

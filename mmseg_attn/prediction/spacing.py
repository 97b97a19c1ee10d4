"""The area of a pixel, from files that know it.

Print resolutions, such as the 72 or 300 dots per inch in PNG, JPEG and most TIFF files, say nothing
about what the picture shows and are not used.
"""

import math
import re
from pathlib import Path
from typing import Any

from PIL import Image

MILLIMETRES = {
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
DESCRIPTION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, CENTIMETRE = 270, 282, 283, 296, 3


def dicom_area(path: Path) -> float | None:
    """Square millimetres, from ``PixelSpacing``."""
    import pydicom  # read_dicom found it

    file = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=['PixelSpacing'])
    try:
        return _area(file.get('PixelSpacing'))
    except ValueError:  # no numbers
        return None


def nifti_area(header: Any) -> float | None:
    """Square millimetres in the plane of the first two axes; ``None`` if the unit is not named."""
    unit = MILLIMETRES.get(header.get_xyzt_units()[0], 0)
    return _area([float(size) * unit for size in (*header.get_zooms(), 1.0)[:2]])


def tiff_area(image: Image.Image) -> float | None:
    """Square millimetres, as OME or ImageJ say in the description or the tags per centimetre."""
    tags = image.tag_v2
    text = str(tags.get(DESCRIPTION, ''))
    if '<OME' in text:
        found = dict(re.findall(r'\b(PhysicalSize[XY](?:Unit)?)="([^"]*)"', text))
        units = [found.get(f'PhysicalSize{axis}Unit', 'µm').lower() for axis in 'XY']
        sizes = [found.get(f'PhysicalSize{axis}', 0) for axis in 'XY']
    else:
        named = re.search(r'^unit=(.*)$', text, re.M) if text.startswith('ImageJ=') else None
        unit = 'cm' if tags.get(RESOLUTION_UNIT) == CENTIMETRE else ''
        units = 2 * [named[1].strip().lower() if named else unit]
        per_unit = [float(tags.get(tag, 0)) for tag in (X_RESOLUTION, Y_RESOLUTION)]
        sizes = [1 / value if value else 0 for value in per_unit]
    try:
        return _area([float(s) * MILLIMETRES.get(u, 0) for s, u in zip(sizes, units, strict=True)])
    except ValueError:  # no numbers
        return None


def _area(sizes: Any) -> float | None:
    """The product of two lengths; ``None`` unless both are positive numbers."""
    if not sizes or len(sizes) != 2:
        return None
    x, y = (float(size) for size in sizes)
    return x * y if 0 < x < math.inf and 0 < y < math.inf else None

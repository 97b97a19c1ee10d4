"""The area of a pixel, from TIFF files that know it.

Print resolutions, such as the 72 or 300 dots per inch in PNG, JPEG and most TIFF files, say nothing
about what the image shows and are not used.
"""

import html
import math
import re
from typing import Any

from . import description, first_tags

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


def tiff_area(data: bytes) -> float | None:
    """Square millimeters, as OME or ImageJ say in the description or the tags per centimeter."""
    tags, _ = first_tags(data)
    text = html.unescape(description(tags))
    if '<OME' in text:
        found = dict(re.findall(r'\b(PhysicalSize[XY](?:Unit)?)="([^"]*)"', text))
        units = [found.get(f'PhysicalSize{axis}Unit', 'µm').lower() for axis in 'XY']
        sizes = [found.get(f'PhysicalSize{axis}', 0) for axis in 'XY']
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
    """A number; 0 for what is none."""
    try:
        return float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0

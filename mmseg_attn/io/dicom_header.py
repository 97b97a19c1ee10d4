"""The headers of DICOM files, with the defaults and units that the standard has."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UnsupportedError


@dataclass
class DicomHeader:
    """What a DICOM file says of its values and of where they lie.

    Attributes:
        slope: Of the rescaling; 1 where the file does not say.
        intercept: Of the rescaling; 0 where the file does not say.
        inverted: Whether the lowest value is white (MONOCHROME1).
        bits: Number of bits of a stored value, of those that it takes.
        signed: Whether stored values are signed.
        spacing: Millimeters between rows and between columns in the body, if known.
        affine: From (column, row, 0, 1) to millimeters in the body, (4, 4), if known.
        series: The UID of the series; empty where none is named.
    """

    slope: float
    intercept: float
    inverted: bool
    bits: int
    signed: bool
    spacing: tuple[float, float] | None
    affine: np.ndarray | None
    series: str

    @property
    def pixel_area(self) -> float | None:
        """Square millimeters of a pixel in the body, if known."""
        return self.spacing[0] * self.spacing[1] if self.spacing else None


def read_header(file: Any, path: Path) -> DicomHeader:
    """Read the header; properties that are missing or empty have the standard's defaults."""
    bits = int(number(file, 'BitsStored', path) or number(file, 'BitsAllocated', path) or 0)
    high = number(file, 'HighBit', path)
    if high is not None and bits and int(high) != bits - 1:
        raise UnsupportedError(
            f'{path} has HighBit {high:g} with BitsStored {bits}: save it with HighBit {bits - 1}'
        )
    slope = number(file, 'RescaleSlope', path)
    if slope == 0:
        raise UnsupportedError(f'{path} has RescaleSlope 0, so that all values are the same')
    intercept = number(file, 'RescaleIntercept', path)
    spacing = _numbers(file, 'PixelSpacing', 2)
    if spacing and not all(0 < side < np.inf for side in spacing):
        spacing = None
    position = _numbers(file, 'ImagePositionPatient', 3)
    directions = _numbers(file, 'ImageOrientationPatient', 6)
    affine = None
    if spacing and position and directions:
        affine = np.eye(4)
        affine[:3, 0] = np.array(directions[:3]) * spacing[1]
        affine[:3, 1] = np.array(directions[3:]) * spacing[0]
        affine[:3, 3] = position
    return DicomHeader(
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        inverted=file.get('PhotometricInterpretation') == 'MONOCHROME1',
        bits=bits,
        signed=bool(number(file, 'PixelRepresentation', path)),
        spacing=spacing,
        affine=affine,
        series=str(file.get('SeriesInstanceUID') or ''),
    )


def number(file: Any, key: str, path: Path) -> float | None:
    """Return a number; ``None`` if it is missing or empty."""
    try:
        value = file.get(key)
        return None if value is None or value == '' else float(value)
    except (TypeError, ValueError) as error:
        raise UnsupportedError(f'{path} has no number as {key} ({error}): correct it') from error


def _numbers(file: Any, key: str, count: int) -> tuple[float, ...] | None:
    """Return several numbers; ``None`` unless there are as many as the standard has."""
    try:
        values = tuple(float(value) for value in file.get(key) or ())
    except (TypeError, ValueError):
        return None
    return values if len(values) == count else None

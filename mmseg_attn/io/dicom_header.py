"""The headers of DICOM files, with the defaults and units that the standard has."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UnsupportedError, damaged

# Where enhanced objects keep what others have at the top, for all frames or for each
MACROS = dict(
    RescaleSlope='PixelValueTransformationSequence',
    RescaleIntercept='PixelValueTransformationSequence',
    PixelSpacing='PixelMeasuresSequence',
    ImagePositionPatient='PlanePositionSequence',
    ImageOrientationPatient='PlaneOrientationSequence',
)
GROUPS = ('PerFrameFunctionalGroupsSequence', 'SharedFunctionalGroupsSequence')


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
    spacing = _numbers(file, 'PixelSpacing', path, count=2)
    if spacing and not all(0 < side < np.inf for side in spacing):
        spacing = None
    position = _numbers(file, 'ImagePositionPatient', path, count=3)
    directions = _numbers(file, 'ImageOrientationPatient', path, count=6)
    affine = None
    if spacing and position and directions:
        affine = np.eye(4)
        affine[:3, 0] = np.array(directions[:3]) * spacing[1]
        affine[:3, 1] = np.array(directions[3:]) * spacing[0]
        affine[:3, 3] = position
    return DicomHeader(
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        inverted=element(file, 'PhotometricInterpretation', path) == 'MONOCHROME1',
        bits=bits,
        signed=bool(number(file, 'PixelRepresentation', path)),
        spacing=spacing,
        affine=affine,
        series=str(element(file, 'SeriesInstanceUID', path) or ''),
    )


def element(file: Any, key: str, path: Path) -> Any:
    """Return what a file says, in the functional groups of its first frame where they say it.

    Args:
        file: pydicom's dataset.
        key: DICOM's keyword.
        path: The file, for messages.

    Returns:
        The value; ``None`` if it is missing.

    Raises:
        DamagedError: If its bytes are no value of its type.
    """
    try:
        for group in GROUPS if key in MACROS else ():
            for frame in (file.get(group) or [])[:1]:
                for macro in (frame.get(MACROS[key]) or [])[:1]:
                    if macro.get(key) not in (None, ''):
                        return macro.get(key)
        return file.get(key)
    except Exception as error:  # pydicom decodes values when they are asked for
        raise damaged(path, f'{key}: {error}') from error


def number(file: Any, key: str, path: Path) -> float | None:
    """Return a number; ``None`` if it is missing or empty."""
    value = element(file, key, path)
    try:
        if value is None or value == '':
            return None
        if not math.isfinite(float(value)):
            raise ValueError(f'it is {value}')
        return float(value)
    except (TypeError, ValueError) as error:
        raise UnsupportedError(f'{path} has no number as {key} ({error}): correct it') from error


def _numbers(file: Any, key: str, path: Path, *, count: int) -> tuple[float, ...] | None:
    """Return several numbers; ``None`` unless there are as many as the standard has."""
    values = element(file, key, path)
    try:
        values = tuple(float(value) for value in values or ())
    except (TypeError, ValueError):
        return None
    return values if len(values) == count else None

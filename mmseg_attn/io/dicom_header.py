"""Read the headers of DICOM files, with the defaults and units of the standard."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UnsupportedError, damaged

# Sequences of enhanced objects for elements that other objects have at the top level
MACROS = dict(
    RescaleSlope='PixelValueTransformationSequence',
    RescaleIntercept='PixelValueTransformationSequence',
    PixelSpacing='PixelMeasuresSequence',
    ImagePositionPatient='PlanePositionSequence',
    ImageOrientationPatient='PlaneOrientationSequence',
)
CONTRADICTIONS = ('MONOCHROME1', 'IDENTITY'), ('MONOCHROME2', 'INVERSE')  # PS3.3, C.8.11.3.1.2
GROUPS = ('PerFrameFunctionalGroupsSequence', 'SharedFunctionalGroupsSequence')


@dataclass
class DicomHeader:
    """The value format and the geometry of a DICOM file.

    Attributes:
        slope: Slope of the rescaling; 1 by default.
        intercept: Intercept of the rescaling; 0 by default.
        inverted: Whether the lowest value is white (MONOCHROME1).
        bits: Number of used bits of a stored value.
        signed: Whether stored values are signed.
        spacing: Millimeters between rows and between columns in the body; ``None`` if unknown.
        affine: Matrix (4, 4) from (column, row, 0, 1) to millimeters in the body; ``None`` if
            unknown.
        series: UID of the series; empty if there is none.
        notes: Contradictions, as text that follows the name of the file and a colon.
    """

    slope: float
    intercept: float
    inverted: bool
    bits: int
    signed: bool
    spacing: tuple[float, float] | None
    affine: np.ndarray | None
    series: str
    notes: list[str]

    @property
    def pixel_area(self) -> float | None:
        """The area of a pixel in the body, in square millimeters; ``None`` if unknown."""
        return self.spacing[0] * self.spacing[1] if self.spacing else None


def read_header(file: Any, path: Path) -> DicomHeader:
    """Read the header; missing or empty elements have the defaults of the standard."""
    stored = number(file, 'BitsStored', path)
    bits = int(stored or number(file, 'BitsAllocated', path) or 0)
    high = number(file, 'HighBit', path)
    if high is not None and bits and int(high) != bits - 1:
        name = 'BitsStored' if stored else 'no BitsStored and BitsAllocated'
        raise UnsupportedError(
            f'{path} has HighBit {high:g} with {name} {bits}: save it with HighBit {bits - 1}'
        )
    slope = number(file, 'RescaleSlope', path)
    if slope == 0:
        raise UnsupportedError(
            f'{path} has RescaleSlope 0, so that all values are the same: correct it'
        )
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
    photometric, shape = (
        element(file, key, path) for key in ('PhotometricInterpretation', 'PresentationLUTShape')
    )
    notes = []
    if (photometric, shape) in CONTRADICTIONS:
        notes.append(f'PresentationLUTShape {shape} contradicts {photometric}, which was used')
    return DicomHeader(
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        inverted=photometric == 'MONOCHROME1',
        bits=bits,
        signed=bool(number(file, 'PixelRepresentation', path)),
        spacing=spacing,
        affine=affine,
        series=str(element(file, 'SeriesInstanceUID', path) or ''),
        notes=notes,
    )


def element(file: Any, key: str, path: Path) -> Any:
    """Return the value of an element, from the functional groups of the first frame if there.

    Args:
        file: pydicom's dataset.
        key: DICOM's keyword.
        path: The file, for messages.

    Returns:
        The value; ``None`` if it is missing.

    Raises:
        DamagedError: If the bytes of the element are not a value of its type.
    """
    try:
        for group in GROUPS if key in MACROS else ():
            for frame in (file.get(group) or [])[:1]:
                for macro in (frame.get(MACROS[key]) or [])[:1]:
                    if macro.get(key) not in (None, ''):
                        return macro.get(key)
        return file.get(key)
    except Exception as error:  # pydicom decodes values on access
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
        raise UnsupportedError(
            f'{path} has a value of {key} that is not a number ({error}): correct it'
        ) from error


def _numbers(file: Any, key: str, path: Path, *, count: int) -> tuple[float, ...] | None:
    """Return several numbers; ``None`` if their count differs from that in the standard."""
    values = element(file, key, path)
    try:
        values = tuple(float(value) for value in values or ())
    except (TypeError, ValueError):
        return None
    return values if len(values) == count else None

"""Reject values that are not finite."""

from pathlib import Path

import numpy as np

from ..errors import UnsupportedError


def check_finite(values: np.ndarray, name: str | Path) -> None:
    """Check that all values are finite.

    Args:
        values: Integers or floats, of any shape.
        name: The file, for messages.

    Raises:
        UnsupportedError: If a value is not a number or infinite.
    """
    if values.dtype.kind == 'f' and not np.isfinite(values).all():
        raise UnsupportedError(
            f'{name} contains values that are not finite: replace them, for example by the lowest '
            'value of the image'
        )

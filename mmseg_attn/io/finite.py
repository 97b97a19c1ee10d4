"""Find and reject values that are not finite."""

from pathlib import Path

import numpy as np

from ..errors import UnsupportedError


def is_finite(values: np.ndarray) -> bool:
    """Tell whether no value is infinite or not a number; integers never are."""
    return values.dtype.kind != 'f' or bool(np.isfinite(values).all())


def check_finite(values: np.ndarray, name: str | Path) -> None:
    """Check that all values are finite.

    Args:
        values: Integers or floats, of any shape.
        name: The file, for messages.

    Raises:
        UnsupportedError: If a value is not a number or infinite.
    """
    if not is_finite(values):
        raise UnsupportedError(
            f'{name} contains values that are not finite: replace them, for example by the lowest '
            'value of the image'
        )

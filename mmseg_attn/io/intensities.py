"""Convert gray values of more than 8 bits to 8 bits, as the models are trained on."""

import numpy as np

Window = tuple[float, float]

HOUNSFIELD_WINDOW, BYTE_WINDOW = (-1500.0, 500.0), (0.0, 255.0)


def ct_window(values: np.ndarray) -> Window | None:
    """Choose the values of a CT image that become 0 and 255.

    Returns:
        -1500 and 500 if the lowest value is -500 or less (Hounsfield units); 0 and 255, which
        changes nothing, if all values lie between them; otherwise ``None``.
    """
    low, high = float(values.min()), float(values.max())
    if low <= -500:
        return HOUNSFIELD_WINDOW
    return BYTE_WINDOW if low >= 0 and 1 < high <= 255 else None  # 0 to 1 would become black


def percentile_window(
    values: np.ndarray, *, percentiles: tuple[float, float] = (0.5, 99.5)
) -> Window:
    """Compute two percentiles of the values, or the full range if the percentiles are equal."""
    values = np.asarray(values, dtype=np.float64)
    low, high = (float(value) for value in np.percentile(values, percentiles))
    return (low, high) if low < high else (float(values.min()), float(values.max()))


def to_bytes(values: np.ndarray, window: Window) -> np.ndarray:
    """Map a window linearly to 0 to 255, rounded; values outside it are clipped.

    Returns:
        An array of the same shape, uint8; 0 everywhere if the window is a single value.
    """
    low, high = window
    factor = 255 / (high - low) if low < high else 0
    return np.clip(((values.astype(np.float64) - low) * factor).round(), 0, 255).astype(np.uint8)

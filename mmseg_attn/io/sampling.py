"""Draw a sample of many values."""

import numpy as np


def sample(values: np.ndarray, count: int) -> np.ndarray:
    """Draw values at random, the same in each call.

    Values at regular distances could be those of a few columns of an image.

    Args:
        values: The values along the first axis.
        count: The most that are drawn; fewer values are all returned.

    Returns:
        The drawn values in the order of ``values``; a few may be drawn twice.
    """
    if len(values) <= count:
        return values
    return values[np.sort(np.random.default_rng(0).integers(len(values), size=count))]

"""Measures of images that need no files."""

from pathlib import Path

import numpy as np

from mmseg_attn.apps.new_dataset.files import Pair
from mmseg_attn.apps.new_dataset.reading import Slice


def measured(name: str = 'a', *, samples=((100,), (200,)), labels=None, **changes) -> Slice:
    """Make the measures of one gray 8-bit image of 64x64 pixels."""
    samples = np.array(samples, dtype=np.float32)
    pair = Pair(name, Path(f'images/{name}.png'), Path(f'masks/{name}.png'))
    values = dict(
        name=name,
        pair=pair,
        index=0,
        size=(64, 64),
        channels=samples.shape[1],
        dtype='uint8',
        bits=8,
        mode='L',
        series='',
        medical=False,
        spacing=None,
        mean=samples.mean(axis=0),
        square=np.square(samples).mean(axis=0),
        samples=samples,
        foreground=samples[:, 0],
        stored='gray',
        direct=True,
        labels=labels or {0: 10, 1: 10},
        palette={},
    )
    return Slice(**(values | changes))

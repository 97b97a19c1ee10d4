"""Datasets inside wrappers such as ``RepeatDataset`` and ``ConcatDataset``."""

from collections.abc import Iterator
from typing import Any


def nested_datasets(dataset: Any) -> Iterator[Any]:
    """Yield the dataset and then, if it wraps others, everything in them."""
    yield dataset
    inner = getattr(dataset, 'datasets', None)
    if inner is None:
        inner = [dataset.dataset] if hasattr(dataset, 'dataset') else []
    for each in inner:
        yield from nested_datasets(each)

"""Find the datasets inside wrappers such as ``RepeatDataset`` and ``ConcatDataset``."""

from collections.abc import Iterator
from typing import Any


def nested_datasets(dataset: Any) -> Iterator[Any]:
    """Yield a dataset and all datasets that it wraps, at any depth."""
    yield dataset
    inner = getattr(dataset, 'datasets', None)
    if inner is None:
        inner = [dataset.dataset] if hasattr(dataset, 'dataset') else []
    for wrapped in inner:
        yield from nested_datasets(wrapped)

"""Small datasets kept in memory, decoded once."""

import pickle
from typing import Any

import numpy as np
from mmcv.transforms import LoadAnnotations
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmseg.registry import DATASETS

from .loading import apply_loaders
from .nested_datasets import nested_datasets

GIB = 2**30


@DATASETS.register_module(name='InMemoryDataset')
def in_memory_dataset(*, dataset: dict | BaseDataset, limit: float = 4.0) -> Any:
    """Build a dataset, decode all its images and masks and keep them.

    Kept is what the transforms whose names begin with ``Load`` return at the start of a pipeline;
    the others run as before, in every epoch. It happens before any worker starts, and forked
    workers share the memory. The dataset, or those that it wraps, are returned as they are but for
    their first transforms, so that everything else works as without.

    Args:
        dataset: a dataset or its config.
        limit: how many GiB may be used.

    Raises:
        MemoryError: if that is too little.
        ValueError: if a pipeline does not begin with such transforms.
    """
    built = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
    built.full_init()
    left = int(limit * GIB)
    for each in nested_datasets(built):
        if isinstance(each, BaseDataset):
            left -= _keep(each, left)
    return built


class Recall(LoadAnnotations):
    """Returns what the transforms that load would; one of them, as those who ask for one see it.

    Args:
        dataset: the dataset whose images it keeps.
        loaders: the transforms.
        limit: how many bytes may be used.

    Raises:
        MemoryError: if that is too little.
        DataError: if a file cannot be loaded.
    """

    def __init__(self, dataset: BaseDataset, loaders: list, *, limit: int) -> None:
        super().__init__()
        self.loaders = loaders
        content, self.ends = bytearray(), [0]
        for index in range(len(dataset)):
            results = apply_loaders(loaders, dataset.get_data_info(index))
            content += pickle.dumps(results, protocol=5)
            self.ends.append(len(content))
            if len(content) > limit:
                raise MemoryError(
                    f'{type(dataset).__name__} is too large to be kept in memory: {index + 1} of '
                    f'{len(dataset)} images take {len(content) / GIB:.1f} GiB; raise limit of '
                    'InMemoryDataset, or load the images from files'
                )
        # One array: reading it touches no reference counts, so that forked workers share it.
        self.content = np.frombuffer(content, dtype=np.uint8)

    def transform(self, results: dict) -> dict:
        """Return a copy of what was kept; later transforms may change it."""
        index = results['sample_idx']
        return pickle.loads(self.content[self.ends[index] : self.ends[index + 1]].data)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.loaders})'


def _keep(dataset: BaseDataset, limit: int) -> int:
    """Put ``Recall`` in the place of the transforms that load; return its bytes."""
    transforms = dataset.pipeline.transforms
    count = 0
    while count < len(transforms) and type(transforms[count]).__name__.startswith('Load'):
        count += 1
    if not count:
        raise ValueError(
            f'the pipeline of {type(dataset).__name__} does not begin with transforms that load '
            'images and masks: put them first, or leave InMemoryDataset out'
        )
    recall = Recall(dataset, transforms[:count], limit=limit)
    transforms[:count] = [recall]
    print_log(
        f'{type(dataset).__name__} keeps {len(dataset)} images decoded in memory: '
        f'{recall.content.nbytes / 2**20:.1f} MiB',
        logger='current',
    )
    return recall.content.nbytes

"""Build datasets, and name the setting of a config when their files cannot be listed."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

from mmengine import fileio
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from ..errors import DataError

EMPTY = 'need at least one array'  # NumPy's message when MMEngine serializes no entries


def build_dataset(config: dict) -> Any:
    """Build a dataset from its config, as MMEngine's ``Runner`` does.

    Raises:
        DataError: If its ``data_root``, ``ann_file`` or a folder is missing, or it has no images.
    """
    try:
        return DATASETS.build(config)
    except Exception as error:  # the class may be the user's own and raise anything
        fault = explain_listing(error)
        if fault is None:
            raise
        raise fault from error


def build_split(cfg: Config, split: str) -> Any:
    """Build the dataset of a split of a config.

    Args:
        cfg: The config.
        split: 'train', 'val' or 'test'.

    Raises:
        DataError: If the config has no such split, or its files are missing.
    """
    loader = cfg.get(f'{split}_dataloader')
    if not loader:
        raise DataError(f'{cfg.filename} has no {split}_dataloader: add it, or use another config')
    return build_dataset(loader.dataset)


def class_names(dataset: Any) -> Sequence[str]:
    """Return the names of the classes of a dataset.

    Raises:
        DataError: If it has none.
    """
    classes = dataset.metainfo.get('classes')
    if not classes:
        raise DataError(
            f'{type(dataset).__name__} has no classes: add them to the dataset in the config, such '
            "as metainfo=dict(classes=('background', 'foreground'))"
        )
    return classes


def explain_listing(error: Exception) -> DataError | None:
    """Name the missing file or folder because of which a dataset could not list its images.

    Args:
        error: The error of the dataset, which may have passed through MMEngine.

    Returns:
        The error with the setting to correct; ``None`` if nothing is missing, or the dataset itself
        names the remedy.
    """
    fault = listing_fault(error)
    return None if fault is None else DataError(': '.join(fault))


def listing_fault(error: Exception) -> tuple[str, str] | None:
    """Return the fault of :func:`explain_listing` and its remedy."""
    dataset = next(_failed_datasets(error), None)
    if dataset is None or getattr(dataset, 'PREPARATION', None):
        return None
    kind, root, prefixes = type(dataset).__name__, dataset.data_root, dataset.data_prefix or {}
    paths = {'data_root': root, 'ann_file': dataset.ann_file}
    paths |= {f'data_prefix.{key}': path for key, path in prefixes.items() if key != 'seg_map_path'}
    for key, path in paths.items():
        if path and not fileio.exists(path, backend_args=getattr(dataset, 'backend_args', None)):
            local = '' if os.path.isabs(path) or '://' in path else f' in {os.getcwd()}'
            base = f' (relative to data_root {root})' if root and key != 'data_root' else ''
            return (
                f'{path} is missing{local}',
                f'correct {key}{base} of {kind} in the config, or put the data there',
            )
    if fault := suffix_fault(dataset):
        return fault
    if EMPTY in str(error):
        if dataset.ann_file:
            return f'{dataset.ann_file} names no image', f'correct ann_file of {kind} in the config'
        return (
            f'{prefixes.get("img_path", root)} contains no image with the suffix '
            f'{getattr(dataset, "img_suffix", "")}',
            f'correct data_prefix.img_path or img_suffix of {kind} in the config',
        )
    return None


def suffix_fault(dataset: BaseDataset) -> tuple[str, str] | None:
    """Find several suffixes, with which MMSegmentation names the masks wrongly, and the remedy."""
    suffix = getattr(dataset, 'img_suffix', '')
    own = getattr(type(dataset), 'load_data_list', None) is not BaseSegDataset.load_data_list
    if own or isinstance(suffix, str):
        return None
    return (
        f'img_suffix of {type(dataset).__name__} is {suffix}, but MMSegmentation takes one suffix',
        'use a dataset for each suffix, and combine them with ConcatDataset',
    )


def _failed_datasets(error: BaseException | None) -> Iterator[BaseDataset]:
    """Yield the datasets whose methods an error has passed, the innermost first."""
    while error is not None:
        datasets, trace = [], error.__traceback__
        while trace is not None:
            owner = trace.tb_frame.f_locals.get('self')
            if isinstance(owner, BaseDataset) and hasattr(owner, 'data_prefix'):
                datasets.append(owner)
            trace = trace.tb_next
        yield from reversed(datasets)
        error = error.__cause__ or error.__context__

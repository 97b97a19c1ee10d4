"""Whether groups of runs were measured alike, so that the better one can be told."""

from collections import Counter
from collections.abc import Iterable, Sequence

from ...config_types import type_name
from ...datasets.nested_datasets import nested_datasets
from ...errors import DataError
from .result import GroupResult, Result
from .run import Run


def differences(groups: Sequence[GroupResult]) -> str:
    """Say in what the groups differ that makes their scores no contest; empty if in nothing.

    Groups are alike if they have as many runs, and these were measured on the same images: two
    seeds on one test set, and two folds with a test set each, are not.

    Args:
        groups: Those with scores.
    """
    measured = [[_images(each) for each in group.results if each.metrics] for group in groups]
    if len({_multiset(each) for each in measured}) == 1:
        return ''
    told = (
        f'{group.group.name} has {_count(images)}'
        for group, images in zip(groups, measured, strict=True)
    )
    return f'{"; ".join(told)}: these are not the same images or runs, so that no best is marked'


def _images(result: Result) -> tuple[str, ...]:
    """What a run was measured on: the images, or, if they are not known, what says which."""
    if result.evaluation:
        return tuple(sorted(image.path for image in result.evaluation.images))
    return (result.source, *_listed(result.run, 'test' if 'test' in result.source else 'val'))


def _listed(run: Run, split: str) -> Iterable[str]:
    """The dataset of a split as its config names it."""
    try:
        dataset = (run.cfg or {}).get(f'{split}_dataloader', {}).get('dataset')
    except DataError:  # the config cannot be read
        return
    *_, inner = nested_datasets(dataset)
    if inner:
        yield type_name(inner)
        for key in ('data_root', 'ann_file', 'data_prefix'):
            yield str(inner.get(key))


def _multiset(runs: Sequence[tuple[str, ...]]) -> frozenset:
    return frozenset(Counter(runs).items())


def _count(runs: Sequence[tuple[str, ...]]) -> str:
    """Runs, and on how many sets of images."""
    number, sets = len(runs), len(set(runs))
    if number == 1:
        return '1 run'
    return f'{number} runs on ' + ('one set of images' if sets == 1 else f'{sets} sets of images')

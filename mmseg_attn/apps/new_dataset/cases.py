"""Find the cases of a dataset, and distribute them over training, validation and test."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from ...errors import DataError
from ...io import counted
from ..convert import make_folds
from ..runs import case_rule
from .files import IMAGE_FOLDERS, MASK_FOLDERS
from .reading import Slice
from .split_files import SPLIT_FOLDERS

Split = dict[str, list[str]]

FOLDS = 5
FEWEST = 3  # cases, one each for training, validation and test
SEEDS = 100  # orders that are tried
# A number at the end of a name, with a word for a part of a case.
PARTS = (
    *(
        'slice',
        'frame',
        'page',
        'plane',
        'layer',
        'section',
        'tile',
        'crop',
        'patch',
        'image',
        'img',
    ),
    *('fov', 'field', 'pos', 'position', 'site', 'view', 'region', 'roi', 'channel', 'ch'),
    *('row', 'col', 'no', 'c', 'f', 'p', 'r', 's', 't', 'w', 'x', 'y', 'z'),
)
ENDING = rf'[_\-. ]+(?:{"|".join(PARTS)})?[_\-. ]?\d+'
MOST_ENDINGS = 3
LAYOUT = (*IMAGE_FOLDERS, *MASK_FOLDERS, *SPLIT_FOLDERS)


def find_cases(slices: Sequence[Slice], pattern: str | None = None) -> tuple[dict[str, str], str]:
    """Find the case (patient, stack) of each slice.

    A case is all slices of a volume, a DICOM series or a subfolder, or else of the same name before
    the numbers at its end: as many of these as leave the fewest slices single. The first of these
    rules counts that finds at least three cases; otherwise, each slice is its own case. If a rule
    finds one or two, a later one counts only if its cases are parts of them.

    Args:
        slices: All slices.
        pattern: Regular expression; a case is its first group, or else its whole match, in the name
            of an image.

    Returns:
        The case of each slice by its name, and the rule, as a sentence without a full stop.

    Raises:
        UsageError: If the pattern is not valid, or does not match a name.
    """
    if pattern is not None:
        rule = case_rule(pattern)
        cases = {one.name: rule(one.name) for one in slices}
        return cases, f'{_count(cases)}, by --case-pattern'
    alone = {one.name: one.name for one in slices}
    few, whole = '', dict.fromkeys(alone, '')
    for rules in _rules():
        found = []
        for what, rule in rules:
            cases = {one.name: rule(one) for one in slices}
            sizes = Counter(cases.values())
            if len({(whole[name], case) for name, case in cases.items()}) > len(sizes):
                continue  # a case of this rule is in two cases of an earlier one
            if len(sizes) < len(cases) and '' not in sizes and (len(sizes) > 1 or rule is _of_file):
                single = sum(size == 1 for size in sizes.values())
                found.append((single, what, cases))
        if not found:
            continue
        _, what, cases = min(found, key=lambda entry: entry[0])
        if len(set(cases.values())) < FEWEST:
            few = few or (
                f'{_count(cases)}, by {what}: too few for a split, so that each image is its own '
                'case; images of one case are in training and in test, and the scores are too high '
                'for new cases'
            )
            whole = cases
            continue
        name, case = next(iter(cases.items()))
        return cases, (
            f'{_count(cases)}, by {what}: {name} is of {case}; if that is wrong, set --case-pattern'
        )
    return alone, few or (
        'no cases, such as patients or stacks, in the names: each image is its own case. If '
        'several images show the same case, set --case-pattern'
    )


def make_splits(
    slices: Sequence[Slice],
    cases: Mapping[str, str],
    classes: Mapping[str, Mapping[int, int]],
    names: Sequence[str],
    *,
    kept: Mapping[str, Mapping[str, Sequence[str]]],
    folds: int | None,
    seed: int,
) -> tuple[dict[str, Split], str]:
    """Distribute the cases over training, validation and test.

    Args:
        slices: All slices.
        cases: The case of each slice.
        classes: The pixels of each class of each slice.
        names: Names of the classes.
        kept: Names of the slices or pairs of 'train', 'val' and 'test' of each fold, if folders or
            files define them; otherwise empty.
        folds: Number of folds; ``None`` makes five, or as many as there are cases.
        seed: Seed of the order; if the training of a fold lacks a class, later seeds are tried.

    Returns:
        The folds, and how they were made, as a sentence without a full stop.

    Raises:
        DataError: If there are too few cases, or the training of the first fold lacks a class.
    """
    if kept:
        result, notes = {}, []
        for fold, names_of in kept.items():
            result[fold], note = _keep(slices, cases, names_of, seed)
            notes.append(note)
        note = notes[0]
        used = {name for split in result.values() for members in split.values() for name in members}
        if unused := [one.name for one in slices if one.name not in used]:
            note += f'; {counted(len(unused), "image")} in none of them, such as {unused[0]}'
    else:
        groups: dict[str, list[str]] = {}
        for one in slices:
            groups.setdefault(cases[one.name], []).append(one.name)
        alone = len(groups) == len(slices)
        unit = 'image' if alone else 'case'
        count = min(FOLDS, max(len(groups), FEWEST)) if folds is None else folds
        tries = [make_folds(groups, folds=count, seed=seed + i, unit=unit) for i in range(SEEDS)]
        costs = [_cost(split, classes, names) for split in tries]
        best = costs.index(min(costs))
        result = tries[best]
        note = f'{count} folds of {counted(len(groups), unit)} by the seed {seed + best}'
        if best:
            note += f', the first from {seed} on with the fewest splits that lack a class'
    _check_classes(result['fold0'], slices, cases, classes, names, alone=bool(kept))
    return result, note


def _count(cases: Mapping[str, str]) -> str:
    return counted(len(set(cases.values())), 'case')


def _of_file(one: Slice) -> str:
    if one.series:
        return f'series {one.series}'
    return one.pair.name if one.name != one.pair.name else ''


def _parts(one: Slice) -> tuple[str, ...]:
    """Return the parts of a name without the folders of the layout."""
    *folders, last = PurePosixPath(one.name).parts
    return (*(part for part in folders if part.lower() not in LAYOUT), last)


def _of_folder(one: Slice) -> str:
    *folders, _ = _parts(one)
    return '/'.join(folders)


def _rules() -> Iterator[list[tuple[str, Callable[[Slice], str]]]]:
    """Yield the rules by which a slice has a case, with their descriptions.

    Of the rules in one list, the one that leaves the fewest slices single in their case is best.
    """
    yield [('the files of volumes and DICOM series', _of_file)]
    yield [('subfolders', _of_folder)]
    names = []
    for number in range(MOST_ENDINGS, 0, -1):
        ending = re.compile(f'(?:{ENDING}){{{number}}}$', re.IGNORECASE)
        what = f'the names without the last {f"{number} numbers" if number > 1 else "number"}'
        names.append((what, lambda one, ending=ending: ending.sub('', _parts(one)[-1])))
    yield names


def _cost(
    folds: Mapping[str, Split], classes: Mapping[str, Mapping[int, int]], names: Sequence[str]
) -> tuple[int, ...]:
    """Count the classes that are missing in training and in the other splits."""

    def absent(split: Sequence[str]) -> int:
        present = set().union(*(classes[name] for name in split))
        return sum(label not in present for label in range(len(names)))

    train = [absent(split['train']) for split in folds.values()]
    others = [absent(split['val']) + absent(split['test']) for split in folds.values()]
    return train[0], sum(train), others[0], sum(others)


def _check_classes(
    split: Split,
    slices: Sequence[Slice],
    cases: Mapping[str, str],
    classes: Mapping[str, Mapping[int, int]],
    names: Sequence[str],
    *,
    alone: bool,
) -> None:
    """Refuse a class that is not in the training or, unless ``alone``, in one case only."""
    for label, name in enumerate(names):
        having = [one for one in slices if label in classes[one.name]]
        if not having:
            raise DataError(
                f'no mask contains the class {label} {name}: remove it from --classes, or add an '
                'image with it'
            )
        if len({cases[one.name] for one in having}) == 1 and not alone:
            where = (
                f'one image, {having[0].pair.mask}'
                if len(having) == 1
                else f'one case, {cases[having[0].name]}'
            )
            raise DataError(
                f'the class {label} {name} is in only {where}, so that it cannot be both learned '
                'and tested: add images with it, or merge it into another class with --map'
            )
        if not any(label in classes[one] for one in split['train']):
            raise DataError(
                f'no training image contains the class {label} {name}: add images with it, or '
                'merge it into another class with --map'
            )


def _keep(
    slices: Sequence[Slice],
    cases: Mapping[str, str],
    kept: Mapping[str, Sequence[str]],
    seed: int,
) -> tuple[Split, str]:
    """Keep the splits of folders, and complete them to training, validation and test."""
    listed = {name: {*kept.get(name, ())} for name in ('train', 'val', 'test')}
    split: Split = {
        name: [one.name for one in slices if not members.isdisjoint((one.name, one.pair.name))]
        for name, members in listed.items()
    }
    note = 'the folders or files of the splits are kept'
    if not split['train']:
        raise DataError('there are folders of splits, but no training images: add a folder train/')
    if not split['val']:
        groups: dict[str, list[str]] = {}
        for name in split['train']:
            groups.setdefault(cases[name], []).append(name)
        count = max(FEWEST, min(FOLDS, len(groups)))
        folds = make_folds(groups, folds=count, seed=seed, unit='training case')
        split['val'] = folds['fold0']['val']
        split['train'] = sorted({*split['train']} - {*split['val']})
        note += ', and a part of the training cases is for validation'
    if not split['test']:
        split['test'] = split['val']
        note += '; there is no test split, so that the test uses the validation images'
    return {name: sorted(names) for name, names in split.items()}, note

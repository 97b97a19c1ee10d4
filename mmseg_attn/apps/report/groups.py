"""Runs of one configuration belong together: folds, and trainings with several seeds."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path

from .run import FOLD, Run, find_runs

SEPARATORS = re.compile(r'([/_])')
# Names of folders and configs that are the same whatever was trained: times, 'fold0', 'config'
MUTE = re.compile(r'(?:train|run|fold|config|output|work_?dirs?)?[\W\d_]*', re.I)
# What a run with another seed, folder or fold has otherwise in its config
OWN = ('work_dir', 'resume', 'load_from', 'randomness', 'launcher')


@dataclass
class Group:
    """Runs of one configuration.

    Attributes:
        name: Short, and no other group's.
        runs: At least one.
        folder: The folder's name, if the group is called by its config instead.
    """

    name: str
    runs: list[Run]
    folder: str = ''

    @property
    def title(self) -> str:
        """The name, and how many runs there are if several."""
        return f'{self.name} ({len(self.runs)} runs)' if len(self.runs) > 1 else self.name


def find_groups(folders: Sequence[Path]) -> list[Group]:
    """Find what is in work folders: a group for each, of one run or of several folds.

    A group is called like its folder, or like its config if the folder's name says nothing.

    Raises:
        DataError: If a folder holds no run.
    """
    given = list({folder.resolve(): folder for folder in folders}.values())
    names = short_names(given)
    groups = [Group(n, find_runs(folder, n)) for folder, n in zip(given, names, strict=True)]
    for group, folder in zip(groups, given, strict=True):
        config, name = group.runs[0].config_name, folder.resolve().name
        mute = MUTE.fullmatch(name) and MUTE.fullmatch(group.name)
        if mute and config and not MUTE.fullmatch(config.stem):
            group.name, group.folder = config.stem, name
    _shorten([group for group in groups if group.folder])
    return groups


def _shorten(groups: Sequence[Group]) -> None:
    """Leave out what the names of configs have in common, and tell equal ones apart."""
    called = [group.name for group in groups]
    stems = list(dict.fromkeys(called))
    short = dict(zip(stems, _without_common(stems), strict=True))
    for group, name in zip(groups, called, strict=True):
        group.name = short[name] + (f' {group.folder}' if called.count(name) > 1 else '')


def merge(groups: Sequence[Group]) -> list[Group]:
    """Put groups together whose configs differ in seed, folders and number of the fold alone.

    Raises:
        DataError: If a config cannot be read.
    """
    merged: dict[str, list[Group]] = {}
    for group in groups:
        merged.setdefault(_key(group), []).append(group)
    united = [same[0] if len(same) == 1 else _united(same) for same in merged.values()]
    names = [group.name for group in united]
    for group in united:
        if names.count(group.name) > 1:
            group.name = group.runs[0].name
    return united


def short_names(folders: Sequence[Path]) -> list[str]:
    """Names of folders without what all have in common; no two are the same.

    Args:
        folders: Different ones.
    """
    parts = [folder.resolve().parts for folder in folders]
    depth = next(n for n in count(1) if len({each[-n:] for each in parts}) == len(parts))
    return _without_common(['/'.join(each[-depth:]) for each in parts])


def _without_common(names: Sequence[str]) -> list[str]:
    """Leave out the parts, between ``/`` and ``_``, that all names begin or end with."""
    pieces = [SEPARATORS.split(name) for name in names]
    for cut, end in ((slice(None, -2), slice(-2, None)), (slice(2, None), slice(None, 2))):
        while len(names) > 1 and all(len(each) > 2 for each in pieces):
            if len({tuple(each[end]) for each in pieces}) > 1:
                break
            pieces = [each[cut] for each in pieces]
    return [''.join(each) for each in pieces]


def _key(group: Group) -> str:
    run = group.runs[0]
    if run.cfg is None:
        return str(run.folder)
    content = {key: value for key, value in run.cfg.to_dict().items() if key not in OWN}
    return FOLD.sub('fold', repr(content))


def _united(groups: Sequence[Group]) -> Group:
    """One group, called like the parts that the names begin with, or else like the config."""
    runs = []
    for group in groups:
        for run in group.runs:
            if len(group.runs) > 1:
                run.name = f'{group.name} {run.name}'
            runs.append(run)
    if groups[0].folder:
        return Group(groups[0].name.removesuffix(f' {groups[0].folder}'), runs)
    pieces = zip(*(SEPARATORS.split(group.name) for group in groups), strict=False)
    shared = ''.join(each[0] for each in takewhile(lambda each: len({*each}) == 1, pieces))
    return Group(shared.rstrip('/_') or runs[0].config_name.stem, runs)

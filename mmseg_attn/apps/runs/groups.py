"""Group training runs of one configuration under short, unique names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path

from .work_dir import FOLD, Run, find_runs

_SEPARATORS = re.compile(r'([/_])')
# Names of folders and configs that do not describe the training: times, 'fold0', 'config'
_MEANINGLESS = re.compile(r'(?:train|run|fold|config|output|work_?dirs?)?[\W\d_]*', re.I)
# Keys of a config that differ between the runs of a group
_PER_RUN = ('work_dir', 'resume', 'randomness', 'launcher')


@dataclass
class Group:
    """Runs of one configuration.

    Attributes:
        name: A short, unique name.
        runs: At least one run.
        folder: The name of the folder, if the group is named after its config instead.
    """

    name: str
    runs: list[Run]
    folder: str = ''

    @property
    def title(self) -> str:
        """The name, with the number of runs if there are several."""
        return f'{self.name} ({len(self.runs)} runs)' if len(self.runs) > 1 else self.name


def find_groups(folders: Sequence[Path]) -> list[Group]:
    """Find the runs in folders: one group per folder, of one run or of several folds.

    A group is named after its folder. If that name does not describe the training, the group is
    named after its config, or after a parent of the folder. A folder in another one that has all of
    its runs is left out.

    Raises:
        DataError: If a folder contains no run.
    """
    folders = list({folder.resolve(): folder for folder in folders}.values())
    names = short_names(folders)
    groups: list[Group] = []
    found = [find_runs(folder, short) for folder, short in zip(folders, names, strict=True)]
    own = [{run.folder.resolve() for run in runs} for runs in found]
    for i, (folder, short) in enumerate(zip(folders, names, strict=True)):
        if any(own[i] < other for other in own) or own[i] in own[:i]:
            continue
        group, name = Group(short, found[i]), folder.resolve().name
        if _MEANINGLESS.fullmatch(name) and _MEANINGLESS.fullmatch(short):
            config = group.runs[0].config_name
            others = [path.name for path in folder.resolve().parents]
            if config:
                others.insert(0, config.stem)
            better = next((other for other in others if not _MEANINGLESS.fullmatch(other)), '')
            if better:
                group.name, group.folder = better, name
        groups.append(group)
    _shorten([group for group in groups if group.folder])
    return groups


def merge(groups: Sequence[Group]) -> list[Group]:
    """Merge groups whose configs differ only in seed, work directory and number of the fold.

    Raises:
        DataError: If a config cannot be read.
    """
    by_config: dict[str, list[Group]] = {}
    for group in groups:
        by_config.setdefault(_config_key(group), []).append(group)
    merged = [same[0] if len(same) == 1 else _united(same) for same in by_config.values()]
    names = [group.name for group in merged]
    for group in merged:
        if names.count(group.name) > 1:
            group.name = group.runs[0].name
    return merged


def short_names(folders: Sequence[Path]) -> list[str]:
    """Return unique names of different folders, without their common parts."""
    paths = [folder.resolve().parts for folder in folders]
    depth = next(n for n in count(1) if len({parts[-n:] for parts in paths}) == len(paths))
    return _without_common(['/'.join(parts[-depth:]) for parts in paths])


def _shorten(groups: Sequence[Group]) -> None:
    """Shorten names that come from configs, and add the folder to those that are equal."""
    names = [group.name for group in groups]
    stems = list(dict.fromkeys(names))
    short = dict(zip(stems, _without_common(stems), strict=True))
    for group, name in zip(groups, names, strict=True):
        group.name = short[name] + (f' {group.folder}' if names.count(name) > 1 else '')


def _without_common(names: Sequence[str]) -> list[str]:
    """Remove the parts, between ``/`` and ``_``, that all names begin or end with."""
    pieces = [_SEPARATORS.split(name) for name in names]
    for kept, end in ((slice(None, -2), slice(-2, None)), (slice(2, None), slice(None, 2))):
        while len(names) > 1 and all(len(parts) > 2 for parts in pieces):
            if len({tuple(parts[end]) for parts in pieces}) > 1:
                break
            pieces = [parts[kept] for parts in pieces]
    return [''.join(parts) for parts in pieces]


def _config_key(group: Group) -> str:
    run = group.runs[0]
    if run.cfg is None:
        return str(run.folder)
    content = {key: value for key, value in run.cfg.to_dict().items() if key not in _PER_RUN}
    return FOLD.sub('fold', repr(content))


def _united(groups: Sequence[Group]) -> Group:
    """Unite groups under the parts that all names begin with, or else the name of the config."""
    runs = []
    for group in groups:
        for run in group.runs:
            if len(group.runs) > 1:
                run.name = f'{group.name} {run.name}'
            runs.append(run)
    if groups[0].folder:
        return Group(groups[0].name.removesuffix(f' {groups[0].folder}'), runs)
    pieces = zip(*(_SEPARATORS.split(group.name) for group in groups), strict=False)
    common = ''.join(parts[0] for parts in takewhile(lambda parts: len({*parts}) == 1, pieces))
    return Group(common.rstrip('/_') or runs[0].config_name.stem, runs)

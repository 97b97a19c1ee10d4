"""One HTML page that needs nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..reproduce import summarize
from ..reproduce.machine import environment
from . import overview, tables
from .cases import cases
from .cost import cost, duration
from .curves import draw, panels
from .describe import commands
from .groups import Group
from .pictures import drawing, hexadecimal
from .result import GroupResult, Result, class_names
from .scores import confusions
from .table import Table
from .unfinished import unfinished

HEADLINES = dict(mIoU='mean IoU', aAcc='pixel accuracy')
NAMED = 3  # the most names in a title
CONFUSIONS = 3  # that are told in words


@dataclass
class Picture:
    """A figure of the page."""

    uri: str
    alt: str


@dataclass
class Part:
    """What the page shows of each group.

    Attributes:
        title: The name of the group.
        per_class: All measures of every class.
        runs: The IoU in every run, if there are several.
        confusion: Which class is taken for which, if there are predictions.
        often: True class, predicted class and percent of the largest mistakes.
    """

    title: str
    per_class: Table
    runs: Table | None = None
    confusion: Table | None = None
    often: Sequence[tuple[str, str, float]] = ()


def render(groups: Sequence[GroupResult], *, images: int) -> str:
    """Write the page.

    Args:
        groups: The results, side by side.
        images: How many of the best, of the median and of the worst images are drawn.
    """
    loader = FileSystemLoader(Path(__file__).parent)
    jinja = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    results = [result for group in groups for result in group.results]
    evaluated = [each for group in groups for each in group.evaluations]
    scored = [group for group in groups if any(result.metrics for result in group.results)]
    colors = {
        name: hexadecimal(color)
        for each in evaluated
        for name, color in zip(each.classes, each.palette, strict=True)
    }
    return jinja.get_template('page.html').render(
        title=_title([group.group.name for group in groups]),
        groups=groups,
        runs=len(results),
        images=sorted({len(each.images) for each in evaluated}),
        sources=list(dict.fromkeys(result.source for result in results if result.source)),
        folders=_folders([group.group for group in groups]),
        notes=_notes(groups),
        figures=_figures(groups[0]) if len(groups) == 1 else [],
        compared=tables.compared(scored) if scored and len(groups) > 1 else None,
        parts=[_part(group) for group in scored if class_names(group.results)],
        curves=_curves(groups),
        cases=cases(groups, images),
        costs=overview.costs(groups),
        setups=overview.setups(groups),
        commands=[line for result in results for line in commands(result.run)],
        configs=_configs(groups),
        colors=colors,
        made_with=environment()['versions'],
        made_at=f'{datetime.now():%Y-%m-%d %H:%M}',
    )


def _notes(groups: Sequence[GroupResult]) -> list[str]:
    """What is unfinished and what is missing, as sentences."""
    alone = sum(len(group.results) for group in groups) == 1
    ends = [
        f'{"The training" if alone else _name(group, result)} {end}.'
        for group in groups
        for result in group.results
        if (end := unfinished(result.run))
    ]
    lacks = [result.lack for group in groups for result in group.results if result.lack]
    return list(dict.fromkeys([*ends, *lacks]))


def _name(group: GroupResult, result: Result) -> str:
    """A run among all of the page."""
    return ' '.join(dict.fromkeys([group.group.name, result.run.name]))


def _folders(groups: Sequence[Group]) -> list[str]:
    """The folders that gave way to the names of configs."""
    named = '{0.name}: {0.folder}' if len(groups) > 1 else '{0.folder}'
    return [named.format(group) for group in groups if group.folder]


def _title(names: Sequence[str]) -> str:
    if len(names) > NAMED:
        return f'{len(names)} models compared'
    *first, last = names
    return f'{", ".join(first)} and {last}' if first else last


def _part(group: GroupResult) -> Part:
    part = Part(group.group.title, tables.per_class(group))
    if len(group.results) > 1:
        part.runs = tables.of_runs(group)
    if group.evaluations:
        counts = sum(each.counts for each in group.evaluations)
        classes = group.evaluations[0].classes
        part.confusion = tables.confused(counts, classes)
        part.often = confusions(counts, classes, CONFUSIONS)
    return part


def _curves(groups: Sequence[GroupResult]) -> list[Picture]:
    found = []
    for panel in panels([group.group for group in groups]):
        ends = '; '.join(f'{line.label} {line.y[-1]:.3g}' for line in panel.lines if line.label)
        alt = f'{panel.title} by {panel.unit}. The last values: {ends}.'
        found.append(Picture(drawing(draw([panel])), alt))
    return found


def _configs(groups: Sequence[GroupResult]) -> dict[Path, str]:
    """The text of a config of each group, by its file."""
    files = [group.group.runs[0].config for group in groups]
    return {file: file.read_text(encoding='utf-8', errors='replace') for file in files if file}


def _figures(group: GroupResult) -> list[tuple[str, str]]:
    """The few figures of a single group that one looks for first."""
    summary = summarize([result.metrics for result in group.results])
    found = []
    for key, name in HEADLINES.items():
        if key in summary:
            mean, std = summary[key]['mean'], summary[key]['std']
            found.append((name, f'{mean:.1f} %' if std is None else f'{mean:.1f} ± {std:.1f} %'))
    spent = cost(group.results[0])
    if spent.complexity:
        found.append(('parameters', overview.millions(spent.complexity.parameters)))
    if spent.training:
        several = len(group.results) > 1
        found.append(('training' + ' of a run' * several, duration(spent.training)))
    return found

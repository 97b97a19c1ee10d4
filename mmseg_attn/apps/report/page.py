"""Render the report as one HTML page without other files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..runs import Group, environment, summarize
from . import overview, reliability, tables
from .curves import draw, panels
from .evaluation import GroupResult, RunResult, class_names, confusions
from .images import PageImage, cases, figure_uri, hexadecimal
from .tables import Table

_HEADLINES = dict(mIoU='mean IoU', aAcc='pixel accuracy')
_NAMED = 3  # largest number of names in a title
_CONFUSIONS = 3  # largest number of pairs of classes in the text


@dataclass
class Part:
    """The tables of a group.

    Attributes:
        title: The name of the group.
        per_class: All measures of every class.
        runs: The IoU in every run, if there are several.
        confusion: The confusion matrix, if there are predictions.
        confused: The largest confusions: true class, predicted class and percent.
    """

    title: str
    per_class: Table
    runs: Table | None = None
    confusion: Table | None = None
    confused: Sequence[tuple[str, str, float]] = ()


def render(groups: Sequence[GroupResult], *, images: int, case: Callable[[str], str] = str) -> str:
    """Render the page.

    Args:
        groups: The results, side by side.
        images: Number of images of each kind (best, median, worst).
        case: Returns the case of an image, see :func:`tables.paired`.
    """
    jinja = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    results = [result for group in groups for result in group.results]
    evaluations = [evaluation for group in groups for evaluation in group.evaluations]
    scored = [group for group in groups if any(group.metrics)]
    colors = {
        name: hexadecimal(color)
        for evaluation in evaluations
        for name, color in zip(evaluation.classes, evaluation.palette, strict=True)
    }
    return jinja.get_template('page.html').render(
        title=_title([group.group.name for group in groups]),
        groups=groups,
        runs=len(results),
        images=sorted({len(evaluation.images) for evaluation in evaluations}),
        sources=list(dict.fromkeys(result.source for result in results if result.source)),
        folders=_folders([group.group for group in groups]),
        notes=_notes(groups),
        figures=_headlines(groups[0]) if len(groups) == 1 else [],
        compared=tables.compared(scored) if scored and len(groups) > 1 else None,
        paired=tables.paired(groups, case),
        parts=[_part(group) for group in scored if class_names(group.results)],
        curves=_curves(groups),
        diagrams=reliability.diagrams(groups),
        calibration=reliability.errors(groups),
        fewest=reliability.FEWEST,
        cases=cases(groups, images),
        costs=overview.costs(groups),
        setups=overview.setups(groups),
        commands=[line for result in results for line in overview.commands(result.run)],
        configs=_configs(groups),
        colors=colors,
        versions=environment()['versions'],
        time=f'{datetime.now():%Y-%m-%d %H:%M}',
    )


def _notes(groups: Sequence[GroupResult]) -> list[str]:
    """List the unfinished trainings and the missing parts."""
    alone = sum(len(group.results) for group in groups) == 1
    unfinished = [
        f'{"The training" if alone else _name(group, result)} {end}.'
        for group in groups
        for result in group.results
        if (end := result.run.unfinished())
    ]
    missing = [result.missing for group in groups for result in group.results if result.missing]
    of_evaluations = [
        evaluation.note for group in groups for evaluation in group.evaluations if evaluation.note
    ]
    return list(dict.fromkeys([*unfinished, *missing, *of_evaluations]))


def _name(group: GroupResult, result: RunResult) -> str:
    """Name a run among all of the page."""
    return ' '.join(dict.fromkeys([group.group.name, result.run.name]))


def _folders(groups: Sequence[Group]) -> list[str]:
    """List the folders of groups that are named after their configs."""
    text = '{0.name}: {0.folder}' if len(groups) > 1 else '{0.folder}'
    return [text.format(group) for group in groups if group.folder]


def _title(names: Sequence[str]) -> str:
    if len(names) > _NAMED:
        return f'{len(names)} models compared'
    *first, last = names
    return f'{", ".join(first)} and {last}' if first else last


def _part(group: GroupResult) -> Part:
    part = Part(group.group.title, tables.per_class(group))
    if len(group.results) > 1:
        part.runs = tables.of_runs(group)
    if group.evaluations:
        counts = sum(evaluation.counts for evaluation in group.evaluations)
        classes = group.evaluations[0].classes
        part.confusion = tables.confusion_matrix(counts, classes)
        part.confused = confusions(counts, classes, _CONFUSIONS)
    return part


def _curves(groups: Sequence[GroupResult]) -> list[PageImage]:
    figures = []
    for panel in panels([group.group for group in groups]):
        ends = '; '.join(f'{line.label} {line.y[-1]:.3g}' for line in panel.lines if line.label)
        alt = f'{panel.title} by {panel.unit}. The last values: {ends}.'
        figures.append(PageImage(figure_uri(draw([panel])), alt))
    return figures


def _configs(groups: Sequence[GroupResult]) -> dict[Path, str]:
    """Return the text of a config of each group, by its file."""
    files = [group.group.runs[0].config for group in groups]
    return {file: file.read_text(encoding='utf-8', errors='replace') for file in files if file}


def _headlines(group: GroupResult) -> list[tuple[str, str]]:
    """Return the main figures of a single group, with their names."""
    summary = summarize(group.metrics)
    figures = []
    for key, name in _HEADLINES.items():
        if key in summary:
            mean, std = summary[key]['mean'], summary[key]['std']
            figures.append((name, f'{mean:.1f} %' if std is None else f'{mean:.1f} ± {std:.1f} %'))
    cost = overview.cost(group.results[0])
    if cost.complexity:
        figures.append(('parameters', overview.millions(cost.complexity.parameters)))
    if cost.training:
        of_a_run = ' of a run' * (len(group.results) > 1)
        figures.append((f'training{of_a_run}', overview.duration(cost.training)))
    return figures

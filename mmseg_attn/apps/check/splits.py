"""Find the faults of a split as a whole, and summarize it."""

from collections import Counter
from collections.abc import Sequence

from ...datasets.findings import File, Finding
from ...datasets.rules import save_as_classes
from .inspector import STRAY, Inspection, Problem


def judge_split(
    split: str,
    inspections: Sequence[Inspection],
    *,
    classes: Sequence[str],
    ignored: int,
    complete: bool,
) -> list[Finding]:
    """Collect the faults of the files, and find faults of the split as a whole.

    Args:
        split: Train, val or test.
        inspections: Inspections of the images.
        classes: Names of the classes; none if they are not known.
        ignored: Label of the ignored pixels.
        complete: Whether all images were inspected instead of a sample.
    """
    kinds: dict[str, list[Problem]] = {}
    for inspection in inspections:
        for problem in inspection.problems:
            kinds.setdefault(problem.kind, []).append(problem)
    total = len(inspections)
    findings = [_collect(kind, split, problems, total) for kind, problems in kinds.items()]
    masks = [inspection for inspection in inspections if inspection.pixels]
    if not masks:
        return findings
    total = len(masks)
    unlabeled = {ignored} - set(range(len(classes)))  # a class may be ignored in training
    labels = {mask.mask: set(mask.pixels) - unlabeled for mask in masks}
    present = set().union(*labels.values())
    binary = [File(mask.mask) for mask in masks if mask.only_0_255]
    if binary and len(present) < 2 and len(classes) != 1:
        return [*findings, _only_0_255(split, binary, total, len(classes))]
    if not present:
        return [*findings, Finding('nothing-labeled', split, total=total)]
    # if 255 occurs with labels other than 0 in other masks, it is not the foreground
    if binary and not any(ignored in mask.pixels and labels[mask.mask] - {0} for mask in masks):
        findings.append(Finding('some-0-255', split, files=binary, total=total))
    empty = [File(mask) for mask, values in labels.items() if not values]
    if empty:
        findings.append(Finding('all-ignored', split, files=empty, total=total))
    single = {mask: min(values) for mask, values in labels.items() if len(values) == 1}
    files = [File(mask, _name(classes, label)) for mask, label in single.items() if label != STRAY]
    if files and len(classes) != 1:
        findings.append(Finding('one-class', split, files=files, total=total))
    absent = [name for label, name in enumerate(classes) if label not in present]
    if absent and complete:
        kind = 'absent-class' if split == 'train' else 'absent-class-evaluation'
        findings.append(Finding(kind, split, why=', '.join(absent)))
    return findings


def _only_0_255(split: str, files: list[File], total: int, classes: int) -> Finding:
    return Finding('0-255', split, files, total, remedy=save_as_classes(classes))


def _collect(kind: str, split: str, problems: list[Problem], total: int) -> Finding:
    values = Counter()
    for problem in problems:
        values.update(problem.values or {})
    files = [
        File(
            problem.path,
            ', '.join(f'{value}: {count} px' for value, count in (problem.values or {}).items())
            or problem.note,
        )
        for problem in problems
    ]
    why = ', '.join(sorted({problem.note for problem in problems}))
    return Finding(kind, split, files=files, total=total, why=why, values=dict(values))


def _name(classes: Sequence[str], label: int) -> str:
    return classes[label] if label < len(classes) else str(label)


def summarize(
    inspections: Sequence[Inspection],
    *,
    listed: int,
    classes: Sequence[str],
    ignored: int,
) -> dict:
    """Count images, sizes and classes of a split, for the report."""
    pixels, images, sizes = Counter(), Counter(), Counter()
    for inspection in inspections:
        pixels.update(inspection.pixels or {})
        images.update((inspection.pixels or {}).keys())
        if inspection.size:
            sizes['{}x{}'.format(*inspection.size)] += 1
    return dict(
        images=listed,
        checked=len(inspections),
        sizes=dict(sizes.most_common()),
        classes={
            name: dict(pixels=pixels[label], images=images[label])
            for label, name in enumerate(classes)
        },
        ignored_pixels=pixels[ignored],
    )

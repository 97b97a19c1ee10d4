"""What all images of a split say together."""

from collections import Counter
from collections.abc import Sequence

from .findings import File, Finding, finding
from .inspection import STRAY, Inspection, Problem


def judge_split(
    split: str,
    inspections: Sequence[Inspection],
    *,
    classes: Sequence[str],
    ignore_index: int,
    complete: bool,
) -> list[Finding]:
    """Gather the faults of the files, and find those that no single file has.

    Args:
        split: Train, val or test.
        inspections: Of the images.
        classes: Names of the classes; none if they are not known.
        ignore_index: Label of the pixels that do not count.
        complete: Whether all images were looked at, and not a sample.
    """
    total = len(inspections)
    kinds: dict[str, list[Problem]] = {}
    for inspection in inspections:
        for problem in inspection.problems:
            kinds.setdefault(problem.kind, []).append(problem)
    found = [_gathered(kind, split, problems, total) for kind, problems in kinds.items()]
    return found + _labels(split, inspections, classes, ignore_index, complete)


def _gathered(kind: str, split: str, problems: list[Problem], total: int) -> Finding:
    values = Counter()
    for problem in problems:
        values.update(problem.values or {})
    files = [
        File(each.path, ', '.join(f'{v}: {n} px' for v, n in (each.values or {}).items()))
        if each.values
        else File(each.path, each.note)
        for each in problems
    ]
    why = ', '.join(sorted({problem.note for problem in problems}))
    return finding(kind, split, files=files, total=total, why=why, values=dict(values))


def _labels(
    split: str,
    inspections: Sequence[Inspection],
    classes: Sequence[str],
    ignore_index: int,
    complete: bool,
) -> list[Finding]:
    masks = [each for each in inspections if each.pixels]
    if not masks:
        return []
    total = len(masks)
    labeled = {each.mask: set(each.pixels) - {ignore_index} for each in masks}
    seen = set().union(*labeled.values())
    binary = [File(each.mask) for each in masks if each.only_0_255]
    if binary and len(seen) < 2 and len(classes) != 1:
        return [finding('0-255', split, files=binary, total=total)]
    if not seen:
        return [finding('nothing-labeled', split, total=total)]
    found = []
    # elsewhere 255 stands beside other labels than 0, so that it is no foreground there
    if binary and not any(
        ignore_index in each.pixels and labeled[each.mask] - {0} for each in masks
    ):
        found.append(finding('some-0-255', split, files=binary, total=total))
    empty = [File(mask) for mask, labels in labeled.items() if not labels]
    if empty:
        found.append(finding('all-ignored', split, files=empty, total=total))
    single = {mask: min(labels) for mask, labels in labeled.items() if len(labels) == 1}
    files = [File(mask, _name(classes, n)) for mask, n in single.items() if n != STRAY]
    if files and len(classes) != 1:
        found.append(finding('one-class', split, files=files, total=total))
    absent = [name for label, name in enumerate(classes) if label not in seen]
    if absent and complete:
        kind = 'absent-class' if split == 'train' else 'absent-class-evaluation'
        found.append(finding(kind, split, why=', '.join(absent)))
    return found


def _name(classes: Sequence[str], label: int) -> str:
    return classes[label] if label < len(classes) else str(label)


def summarize(
    inspections: Sequence[Inspection],
    *,
    listed: int,
    classes: Sequence[str],
    ignore_index: int,
) -> dict:
    """Count images, sizes and classes of a split, for the report."""
    pixels, images = Counter(), Counter()
    for each in inspections:
        pixels.update(each.pixels or {})
        images.update((each.pixels or {}).keys())
    sizes = Counter(f'{each.size[0]}x{each.size[1]}' for each in inspections if each.size)
    return dict(
        images=listed,
        checked=len(inspections),
        sizes=dict(sizes.most_common()),
        classes={
            name: dict(pixels=pixels[label], images=images[label])
            for label, name in enumerate(classes)
        },
        ignored_pixels=pixels[ignore_index],
    )

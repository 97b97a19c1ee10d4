"""The same image twice: within a split, and in two of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

from .findings import File, Finding, finding
from .inspection import Inspection
from .sources import SPLITS

# What a name or a content is found as: split and image, and the content of the mask.
Place = tuple[str, str, str | None]


def find_repeats(
    names: Mapping[str, Sequence[str]], inspections: Mapping[str, Sequence[Inspection]]
) -> list[Finding]:
    """Find images that are in a split twice or in several splits.

    Args:
        names: Files of all images of each split.
        inspections: Of the images that were looked at, whose pixels are compared.
    """
    found = []
    for split, listed in names.items():
        again = [File(name) for name, times in Counter(listed).items() if times > 1]
        if again:
            found.append(finding('listed-twice', split, files=again))
    places = _places(names, inspections)
    for split in names:
        files = [file for group in places for file in _within([p for p in group if p[0] == split])]
        if files:
            found.append(finding('duplicate', split, files=files))
    for first, second in combinations([split for split in SPLITS if split in names], 2):
        if set(names[first]) == set(names[second]) and first != 'train':
            continue  # validation and test are meant to be one set
        files = [file for group in places for file in _between(group, first, second)]
        if files:
            kind = 'leak' if first == 'train' else 'leak-val-test'
            found.append(finding(kind, f'{first} and {second}', files=files))
    return found


def _places(
    names: Mapping[str, Sequence[str]], inspections: Mapping[str, Sequence[Inspection]]
) -> list[list[Place]]:
    """Groups of places that hold one image, by its pixels or, without these, by its file."""
    contents = {
        each.image: (each.content, each.labels) for many in inspections.values() for each in many
    }
    groups: dict[str, dict[Place, None]] = {}
    for split, listed in names.items():
        for name in listed:
            content, labels = contents.get(name, (None, None))
            groups.setdefault(content or name, {})[split, name, labels] = None
    return [list(group) for group in groups.values() if len(group) > 1]


def _within(group: list[Place]) -> list[File]:
    if len(group) < 2:
        return []
    (_, original, labels), *copies = group
    return [
        File(name, f'as {original}' + ', with another mask' * (mask != labels))
        for _, name, mask in copies
    ]


def _between(group: list[Place], first: str, second: str) -> list[File]:
    """Images of the second split that the first one has."""
    known = [name for split, name, _ in group if split == first]
    if not known:
        return []
    return [
        File(name, 'the same file' if name in known else f'as {known[0]}')
        for split, name, _ in group
        if split == second
    ]

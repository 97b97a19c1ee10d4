"""Measure a dataset, and describe it as a table and as YAML."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...datasets.rules import IGNORE
from ...errors import DataError
from ...io import counted
from .cases import Split
from .files import Files
from .masks import Labels
from .reading import Slice

PERCENTILES = (0.5, 50, 99.5)


@dataclass
class Dataset:
    """A dataset that was read completely and can be trained on.

    Attributes:
        files: The pairs of files.
        slices: The measures of all images or slices, sorted by name.
        labels: The classes.
        cases: The case of each slice by its name.
        folds: The splits of each fold.
        notes: What was recognized, by topic, as sentences without a full stop.
    """

    files: Files
    slices: list[Slice]
    labels: Labels
    cases: dict[str, str]
    folds: dict[str, Split]
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def train(self) -> list[Slice]:
        """The training slices of the first fold."""
        names = set(self.folds['fold0']['train'])
        return [one for one in self.slices if one.name in names]

    def pixels(self, slices: Sequence[Slice]) -> Counter[int]:
        """Count the pixels of each class; 255 is ignored."""
        total: Counter[int] = Counter()
        for one in slices:
            total.update(self.labels.classes_of(one))
        return total

    def fractions(self, slices: Sequence[Slice]) -> dict[int, float]:
        """Return the fraction of each class among the labeled pixels."""
        pixels = self.pixels(slices)
        labeled = sum(count for label, count in pixels.items() if label != IGNORE)
        return {i: pixels[i] / max(labeled, 1) for i in range(len(self.labels.classes))}


def unify(slices: Sequence[Slice]) -> tuple[list[Slice], str]:
    """Check that all images have the same type; gray images beside color images become color.

    Returns:
        The slices, and what was done, as a sentence without a full stop.

    Raises:
        DataError: If channels or types differ otherwise.
    """
    first = slices[0]
    for one in slices:
        if one.medical and first.medical:
            continue  # converted to 8 bits
        if one.dtype != first.dtype:
            raise DataError(
                f'{one.pair.image} has values of {one.dtype}, but {first.pair.image} of '
                f'{first.dtype}: save all images with the same number of bits'
            )
    channels = Counter(one.channels for one in slices)
    if len(channels) == 1:
        return list(slices), ''
    other = next(one for one in slices if one.channels != first.channels)
    if set(channels) != {1, 3} or first.dtype != 'uint8':
        raise DataError(
            f'{other.pair.image} has {counted(other.channels, "channel")}, but '
            f'{first.pair.image} has {first.channels}: save all images with the same channels'
        )
    rare = next(one for one in slices if one.channels == min(channels, key=channels.get))
    kind = 'in color' if rare.channels == 3 else 'gray'
    note = (
        f'{channels[1]} gray and {channels[3]} color images ({rare.pair.image.name} is {kind}): '
        'all are loaded in color; convert them if that is not what you want'
    )
    return [one if one.channels == 3 else _to_color(one) for one in slices], note


def _to_color(one: Slice) -> Slice:
    mean, square = np.repeat(one.mean, 3), np.repeat(one.square, 3)
    return replace(
        one, channels=3, mean=mean, square=square, samples=np.repeat(one.samples, 3, axis=1)
    )


def describe(dataset: Dataset) -> dict[str, Any]:
    """Return the fingerprint: what the files and masks contain."""
    slices = dataset.slices
    sizes = np.array([one.size for one in slices])
    samples = np.concatenate([one.samples for one in slices])
    spacings = [one.spacing for one in slices if one.spacing]
    pixels, labels = dataset.pixels(slices), dataset.labels
    images: Counter[int] = Counter()
    for one in slices:
        images.update(labels.classes_of(one).keys())
    total = sum(pixels.values())
    return dict(
        images=len(slices),
        files=len(dataset.files.pairs),
        size={
            name: 'x'.join(str(int(side)) for side in reversed(function(sizes, axis=0)))
            for name, function in (('smallest', np.min), ('median', np.median), ('largest', np.max))
        },
        channels=slices[0].channels,
        type=slices[0].dtype,
        bits=sorted({one.bits for one in slices}),
        formats=sorted({one.mode for one in slices}),
        intensities={
            f'percentile {percent:g}': [
                float(f'{value:.5g}') for value in np.percentile(samples, percent, axis=0)
            ]
            for percent in PERCENTILES
        },
        spacing_mm=[float(f'{side:.5g}') for side in np.median(spacings, axis=0)]
        if spacings
        else None,
        masks={
            'values': {value: meaning for value, meaning, _ in labels.table()},
            'changed': labels.changed,
        },
        classes={
            name: dict(
                pixels=pixels[i], percent=round(100 * pixels[i] / total, 3), images=images[i]
            )
            for i, name in enumerate(labels.classes)
        },
        ignored_pixels=pixels[IGNORE],
        cases=len(set(dataset.cases.values())),
        folds=len(dataset.folds),
        split={name: len(names) for name, names in dataset.folds['fold0'].items()},
        notes=dataset.notes,
    )


def table(fingerprint: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Format a fingerprint as rows of two columns."""
    size = fingerprint['size']
    sizes = size['median']
    if size['smallest'] != size['largest']:
        sizes = f'{size["smallest"]} to {size["largest"]}, median {size["median"]}'
    low, middle, high = (
        ', '.join(f'{value:g}' for value in values)
        for values in fingerprint['intensities'].values()
    )
    spacing = fingerprint['spacing_mm']
    rows = [
        ('images', f'{fingerprint["images"]} of {sizes} pixels'),
        (
            'values',
            f'{counted(fingerprint["channels"], "channel")} of {fingerprint["type"]}; percentiles '
            f'0.5, 50, 99.5: {low}; {middle}; {high}',
        ),
    ]
    if spacing:
        rows.append(('spacing', f'{spacing[0]:g} x {spacing[1]:g} mm'))
    for name, counts in fingerprint['classes'].items():
        rows.append(
            (
                f'class {name}',
                f'{counts["percent"]:g} % of the pixels, in {counts["images"]} images',
            )
        )
    if fingerprint['ignored_pixels']:
        rows.append(('ignored', counted(fingerprint['ignored_pixels'], 'pixel')))
    split = fingerprint['split']
    rows.append(('split', ', '.join(f'{name} {count}' for name, count in split.items())))
    return rows + list(fingerprint['notes'].items())

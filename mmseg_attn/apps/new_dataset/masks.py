"""Decide which class each value of the masks is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...datasets.rules import IGNORE
from ...errors import DataError, UsageError
from ...io import counted
from .reading import COLOR, GRAY, PALETTE, Mask, Slice, unpack

MOST_VALUES = 32  # of gray values or colors to map; anti-aliased and JPEG masks have more
# Colors of classes without a palette: Okabe and Ito (2008), distinguishable with any color vision.
COLORS = (
    (60, 60, 60),
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)


@dataclass
class Labels:
    """The meaning of the values of all masks.

    Attributes:
        kind: 'gray' for gray values and indices, 'color' for packed colors.
        mapping: The class of each stored value; 255 is ignored.
        pixels: Pixels of each stored value.
        classes: Names of the classes.
        palette: Color of each class in RGB.
        changed: Whether a value is not the number of its class.
        note: What was recognized, as a sentence without a full stop; may be empty.
    """

    kind: str
    mapping: dict[int, int]
    pixels: dict[int, int]
    classes: list[str]
    palette: list[tuple[int, ...]]
    changed: bool
    note: str = ''

    def apply(self, mask: Mask, index: int) -> np.ndarray:
        """Convert a slice of a mask to class numbers, (H, W) and uint8."""
        labels = mask.slices[index]
        if self.kind == COLOR and mask.stored == PALETTE:
            labels = np.array([mask.palette[i] for i in range(len(mask.palette))])[labels]
        elif self.kind == GRAY and mask.stored == COLOR:
            labels = labels & 255
        classes = np.zeros(labels.shape, dtype=np.uint8)
        for value, label in self.mapping.items():
            classes[labels == value] = label
        return classes

    def values_of(self, one: Slice) -> dict[int, int]:
        """Return the pixels of each value of a slice, as this mapping takes them."""
        return _values(one, self.kind)

    def classes_of(self, one: Slice) -> dict[int, int]:
        """Return the pixels of each class of a slice."""
        pixels: Counter[int] = Counter()
        for value, count in self.values_of(one).items():
            pixels[self.mapping[value]] += count
        return dict(pixels)

    def table(self) -> list[tuple[str, str, str]]:
        """Return value, class and percentage of the pixels, as texts."""
        total = sum(self.pixels.values())
        return [
            (
                show(value, self.kind),
                'ignored' if label == IGNORE else f'{label} {self.classes[label]}',
                f'{100 * self.pixels[value] / total:.2f} %',
            )
            for value, label in sorted(self.mapping.items(), key=lambda item: (item[1], item[0]))
        ]


def find_labels(
    slices: Sequence[Slice],
    *,
    classes: Sequence[str] | None = None,
    chosen: Mapping[str, str] | None = None,
) -> Labels:
    """Find the class of each value of the masks.

    Args:
        slices: The measures of all slices.
        classes: Names of the classes.
        chosen: The class of each value, as texts; a value is a number or a color such as #ff0000,
            a class is a number or 'ignore'. By default, the classes follow from the values.

    Raises:
        DataError: If the masks contradict each other, or have too many values.
        UsageError: If ``classes`` or ``chosen`` do not fit the masks.
    """
    kind = _kind(slices)
    pixels: Counter[int] = Counter()
    first: dict[int, Slice] = {}
    for one in slices:
        for value, count in _values(one, kind).items():
            pixels[value] += count
            first.setdefault(value, one)
    if kind == GRAY and min(pixels) < 0:
        value = min(pixels)
        raise DataError(
            f'{first[value].pair.mask} contains the value {value}: number the classes from 0'
        )
    note = ''
    if chosen:
        mapping = _parse(chosen, kind)
        absent = [value for value in pixels if value not in mapping]
        if absent:
            raise UsageError(
                f'--map does not name the value {show(min(absent), kind)}, which '
                f'{first[min(absent)].pair.mask} contains: add it'
            )
        missing = {*mapping.values()} - {mapping[value] for value in pixels} - {IGNORE}
        if missing:
            raise UsageError(
                f'--map has the class {min(missing)}, but no mask contains one of its values: '
                'leave it out, or add a mask with it'
            )
        mapping = {value: mapping[value] for value in pixels}
    elif kind == COLOR:
        mapping = _map_colors(pixels, first)
    else:
        mapping, note = _map_gray(pixels, first, slices, len(classes or ()))
    count = max((label for label in mapping.values() if label != IGNORE), default=0) + 1
    background = kind == COLOR or not _other_is_black(slices)
    names = _names(classes, count, mapping, pixels, kind, background=background)
    if len(names) < 2:
        values = ', '.join(show(value, kind) for value in sorted(pixels))
        raise DataError(
            f'the masks contain only one class (value {values}): label the pixels of at least two '
            'classes, such as background and foreground'
        )
    changed = kind == COLOR or any(value != label for value, label in mapping.items())
    palette = _palette(slices, mapping, kind, len(names))
    return Labels(kind, mapping, dict(pixels), names, palette, changed, note)


def show(value: int, kind: str) -> str:
    """Format a value of a mask: a number, or a color such as #ff0000."""
    if kind != COLOR:
        return str(value)
    red, green, blue = unpack(value)
    alpha = f'{255 - (value >> 24):02x}' if value >> 24 else ''
    return f'#{red:02x}{green:02x}{blue:02x}{alpha}'


def _kind(slices: Sequence[Slice]) -> str:
    """Decide whether the masks contain numbers or colors; refuse a mixture."""
    colors = [
        one
        for one in slices
        if one.stored == COLOR and not all(_is_gray(value) for value in one.labels)
    ]
    if colors:
        others = [one for one in slices if one.stored == GRAY]
        if others:
            few, many = sorted((colors, others), key=len)
            names = {id(colors): 'in color', id(others): 'gray'}
            masks = 'mask is' if len(few) == 1 else 'masks are'
            raise DataError(
                f'{len(few)} {masks} {names[id(few)]}, such as {few[0].pair.mask}, but the other '
                f'{len(many)} {"is" if len(many) == 1 else "are"} {names[id(many)]}: save all '
                'masks in the same way'
            )
        return COLOR
    palette: dict[int, int] = {}
    for one in slices:
        for index, color in one.palette.items():
            if palette.setdefault(index, color) != color:  # quantized file by file
                return COLOR
    return GRAY


def _is_gray(color: int) -> bool:
    return color >> 24 == 0 and len(set(unpack(color))) == 1


def _values(one: Slice, kind: str) -> dict[int, int]:
    if kind == COLOR and one.stored == PALETTE:
        change = one.palette.__getitem__
    elif kind == GRAY and one.stored == COLOR:
        change = (255).__and__
    else:
        return one.labels
    pixels: Counter[int] = Counter()
    for value, count in one.labels.items():
        pixels[change(value)] += count
    return dict(pixels)


def _map_colors(pixels: Mapping[int, int], first: Mapping[int, Slice]) -> dict[int, int]:
    """Number the colors: black or else the most frequent one is 0, the others are sorted."""
    _check_few(pixels, first, COLOR)
    background = 0 if 0 in pixels else max(pixels, key=lambda value: (pixels[value], -value))
    others = sorted(value for value in pixels if value != background)
    return {value: label for label, value in enumerate([background, *others])}


def _map_gray(
    pixels: Mapping[int, int], first: Mapping[int, Slice], slices: Sequence[Slice], classes: int
) -> tuple[dict[int, int], str]:
    values = sorted(pixels)
    labels = [value for value in values if value != IGNORE]
    numbered = labels == list(range(len(labels))) or (len(labels) > 0 and labels[-1] < classes)
    if values == [0, IGNORE]:
        return {0: 0, IGNORE: 1}, ''
    if numbered:
        _check_same_style(values, slices)
        note = f'the value {IGNORE} is ignored in training and in the scores'
        return {value: value for value in values}, note if IGNORE in values else ''
    _check_few(pixels, first, GRAY)
    if labels == list(range(1, len(labels) + 1)) and IGNORE in values:
        return {**{value: value - 1 for value in labels}, IGNORE: IGNORE}, ''
    return {value: label for label, value in enumerate(values)}, ''


def _check_same_style(values: Sequence[int], slices: Sequence[Slice]) -> None:
    """Refuse foregrounds of 1 in some masks and of 255 in others."""
    if list(values) != [0, 1, IGNORE]:
        return
    ones = [one for one in slices if 1 in _values(one, GRAY)]
    both = [one for one in ones if IGNORE in _values(one, GRAY)]
    others = [one for one in slices if IGNORE in _values(one, GRAY)]
    if not both:
        raise DataError(
            f'{ones[0].pair.mask} contains 0 and 1, but {others[0].pair.mask} contains 0 and '
            f'{IGNORE}: save both in the same way, or set --map 0=0 1=1 {IGNORE}=1 if both are the '
            f'foreground, or {IGNORE}=ignore'
        )


def _check_few(pixels: Mapping[int, int], first: Mapping[int, Slice], kind: str) -> None:
    if len(pixels) <= MOST_VALUES:
        return
    noun = 'color' if kind == COLOR else 'gray value'
    fullest = max(first.values(), key=lambda one: len(one.labels))
    raise DataError(
        f'the masks contain {counted(len(pixels), noun)} ({fullest.pair.mask} alone has '
        f'{len(fullest.labels)}), so that they are images, or have soft edges from resizing, '
        'anti-aliasing or JPEG: save the masks with class numbers'
    )


def _parse(chosen: Mapping[str, str], kind: str) -> dict[int, int]:
    mapping = {}
    for text, label in chosen.items():
        try:
            if text.startswith('#') and len(text) in (7, 9):
                alpha = 255 - int(text[7:], 16) if text[7:] else 0
                value = alpha << 24 | int(text[1:7], 16)
            else:
                value = int(text)
            mapping[value] = IGNORE if label == 'ignore' else int(label)
        except ValueError as error:
            raise UsageError(
                f'--map {text}={label} is not a value and a class: write for example 255=1, '
                '#ff0000=1 or 0=ignore'
            ) from error
        if not 0 <= mapping[value] <= IGNORE:
            raise UsageError(f'--map {text}={label}: choose a class from 0 to 254, or ignore')
    labels = {label for label in mapping.values() if label != IGNORE}
    if labels != set(range(len(labels))):
        raise UsageError(
            f'--map uses the classes {", ".join(map(str, sorted(labels)))}: number them from 0 '
            'without gaps'
        )
    return mapping


def _names(
    classes: Sequence[str] | None,
    count: int,
    mapping: Mapping[int, int],
    pixels: Mapping[int, int],
    kind: str,
    *,
    background: bool,
) -> list[str]:
    if classes:
        if len(set(classes)) < len(classes):
            raise UsageError(f'--classes is {" ".join(classes)}: give every class its own name')
        if len(classes) < count:
            values = ', '.join(show(value, kind) for value in sorted(mapping))
            raise UsageError(
                f'--classes has {counted(len(classes), "name")}, but the masks contain {count} '
                f'classes (values {values}): name all classes'
            )
        return list(classes)
    names = [f'class_{label}' for label in range(count)]
    if not background:
        return names
    if mapping.get(0) == 0 and (count == 2 or pixels[0] == max(pixels.values())):
        names[0] = 'background'
    if count == 2:
        names[1] = 'foreground'
    return names


def _other_is_black(slices: Sequence[Slice]) -> bool:
    """Return whether palettes have black for another index than 0, which is no background then."""
    colors = {index: color for one in slices for index, color in one.palette.items()}
    return bool(colors.get(0)) and 0 in colors.values()


def _palette(
    slices: Sequence[Slice], mapping: Mapping[int, int], kind: str, count: int
) -> list[tuple[int, ...]]:
    """Return the colors of the masks, or distinguishable colors if they have none."""
    colors = [COLORS[i % len(COLORS)] for i in range(count)]
    if kind == COLOR:
        stored = {value: value for value in mapping}
    else:
        stored = {index: color for one in slices for index, color in one.palette.items()}
        gray = all(len(set(unpack(color))) == 1 for color in stored.values())
        stored = {} if gray else stored
    for value, label in mapping.items():
        if value in stored and label < count:
            colors[label] = unpack(stored[value])
    distinct = len(set(colors)) == len(colors)
    return colors if distinct else _spread(count)


def _spread(count: int) -> list[tuple[int, ...]]:
    """Return different colors for any number of classes."""
    steps = [COLORS[i % len(COLORS)] for i in range(count)]
    return [
        tuple((channel + 37 * (i // len(COLORS))) % 256 for channel in color)
        for i, color in enumerate(steps)
    ]

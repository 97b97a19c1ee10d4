"""Faults of a dataset: how bad each kind is, how it is said, and the files that have it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from .rules import (
    COLOR_MASK,
    ONLY_0_255,
    OTHER_SIZE,
    PALETTE_MASK,
    SHOWN,
    STRAY_LABELS,
    list_values,
)


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        severity: An ``'error'`` spoils a run, a ``'warning'`` may be intended.
        message: The sentence; ``{n}`` of ``{total}`` files, their ``{values}``, or ``{why}``.
        remedy: What to do.
    """

    severity: Literal['error', 'warning']
    message: str
    remedy: str


KINDS = {
    'refused': Kind(
        'error',
        message='the dataset cannot be listed: {why}',
        remedy='prepare the data, or correct data_root, data_prefix and ann_file',
    ),
    'no-images': Kind(
        'error', message='no images', remedy='correct data_root, data_prefix and img_suffix'
    ),
    'missing-image': Kind(
        'error',
        message='listed images that are missing: {n} of {total}',
        remedy='add them, or take their names off the list',
    ),
    'missing-mask': Kind(
        'error',
        message='images whose mask is missing: {n} of {total}',
        remedy='add the masks, or take the images out of the dataset',
    ),
    'lonely-mask': Kind(
        'warning',
        message='masks without an image, which nothing uses: {n}',
        remedy='add the images, or move the masks away',
    ),
    'unreadable': Kind(
        'error',
        message='files that cannot be read completely: {n}',
        remedy='get them again from their source, or take them out of the dataset',
    ),
    'unsupported': Kind(
        'error',
        message='files that the loader of the config cannot read: {n}',
        remedy='convert them, or choose another loader, as the reason beside each file says',
    ),
    'too-large': Kind(
        'error',
        message='files that are too large to be read at once: {n}',
        remedy='cut them into tiles, or raise the limit that is named beside each',
    ),
    'size': Kind(
        'error',
        message='masks of another size than their image: {n} of {total}',
        remedy=OTHER_SIZE,
    ),
    'orientation': Kind(
        'warning',
        message='images that are rotated or flipped when they are loaded, by the EXIF orientation '
        'in their file, while masks never are: {n} of {total}',
        remedy='see that the masks fit the loaded images, or load the images with '
        "color_type='color_ignore_orientation'",
    ),
    'stray-label': Kind(
        'error',
        message='masks with values that are no class: {n} of {total}; {values}',
        remedy=STRAY_LABELS.format('the masks', 'them'),
    ),
    'ignored-label': Kind(
        'warning',
        message='masks with values that are no class and that the loader ignores: {n} of {total}; '
        '{values}',
        remedy='no action needed if these pixels should be ignored',
    ),
    '0-255': Kind(
        'error',
        message='0/255 masks: {n} of {total}; the foreground is not class 1',
        remedy=ONLY_0_255,
    ),
    'some-0-255': Kind(
        'warning',
        message='masks that hold 0 and 255 only, while no other mask holds 255: {n} of {total}',
        remedy='if 255 is the foreground, save it as 1; now it is ignored',
    ),
    'color-mask': Kind(
        'error',
        message='masks that are color images: {n} of {total}',
        remedy=f'{COLOR_MASK}; {PALETTE_MASK}',
    ),
    'ignored-color': Kind(
        'warning',
        message='masks that are color images and that the loader ignores: {n} of {total}',
        remedy='no action needed if these images should be ignored',
    ),
    'all-ignored': Kind(
        'warning',
        message='masks that hold ignored pixels only: {n} of {total}',
        remedy='take these images out of the dataset: nothing is learned from them',
    ),
    'one-class': Kind(
        'warning',
        message='masks that hold one class only: {n} of {total}',
        remedy='look at a few of them; no action needed if they are right',
    ),
    'nothing-labeled': Kind(
        'error',
        message='all {total} masks hold ignored pixels only',
        remedy='look at the masks, ignore_index and reduce_zero_label',
    ),
    'absent-class': Kind(
        'error',
        message='classes that never occur, so that they cannot be learned: {why}',
        remedy='use another split, or take the class out of the dataset and the model',
    ),
    'absent-class-evaluation': Kind(
        'warning',
        message='classes that never occur, so that their score is undefined and means leave them '
        'out: {why}',
        remedy='use another split',
    ),
    'no-labels': Kind(
        'error',
        message='the pipeline loads no annotations',
        remedy="add dict(type='LoadAnnotations') to the pipeline",
    ),
    'class-count': Kind(
        'error', message='{why}', remedy='make the classes of dataset and model the same'
    ),
    'channels': Kind(
        'error',
        message='{why}',
        remedy='change color_type where images are loaded, mean and std of data_preprocessor, or '
        'in_channels of the backbone',
    ),
    'pipeline': Kind('error', message='the pipeline stops: {why}', remedy='correct the pipeline'),
    'not-finite': Kind(
        'error',
        message='images with values that are not finite: {n} of {total}',
        remedy='replace these values, for example by the lowest value of the image',
    ),
    'bit-depth': Kind(
        'error',
        message='images that lose bits when they are loaded: {n} of {total}; {why}',
        remedy="load them with color_type='unchanged' and to_float32=True, or convert them to 8 "
        'bits with a window that fits',
    ),
    'converted': Kind(
        'warning',
        message='images whose channels change when they are loaded: {n} of {total}; {why}',
        remedy="set color_type to what the files have ('grayscale', 'color' or 'unchanged')",
    ),
    'blank': Kind(
        'warning',
        message='images of one single value: {n} of {total}',
        remedy='take them out of the dataset, unless they are meant to be empty',
    ),
    'listed-twice': Kind(
        'warning',
        message='images that are listed more than once: {n}',
        remedy='list every image once; RepeatDataset repeats a whole dataset',
    ),
    'duplicate': Kind(
        'warning',
        message='images with the same pixels as another one of the split: {n}',
        remedy='keep one of each',
    ),
    'leak': Kind(
        'error',
        message='images that are in both, so that scores on them say nothing: {n}',
        remedy='keep every image in one split only',
    ),
    'leak-val-test': Kind(
        'warning',
        message='images that are in both, so that validation has chosen a checkpoint on them: {n}',
        remedy='keep every image in one split only',
    ),
}


class File(NamedTuple):
    """A file and what is wrong with it."""

    path: str
    note: str = ''

    def __str__(self) -> str:
        return f'{self.path} ({self.note})' if self.note else self.path


@dataclass
class Finding:
    """One kind of fault in one split, with all files that have it.

    Attributes:
        kind: A key of ``KINDS``.
        split: Train, val or test; several with commas between.
        files: The files that have the fault.
        total: Number of files that were checked.
        why: The reason, for a kind whose message has one.
        values: Pixels of each value, where values are at fault.
        remedy: What to do; by default the remedy of the kind.
    """

    kind: str
    split: str
    files: list[File] = field(default_factory=list)
    total: int = 0
    why: str = ''
    values: dict[str, int] = field(default_factory=dict)
    remedy: str = ''

    def __post_init__(self) -> None:
        self.remedy = self.remedy or KINDS[self.kind].remedy

    @property
    def error(self) -> bool:
        """Whether it spoils a run; otherwise it is a warning."""
        return KINDS[self.kind].severity == 'error'

    @property
    def message(self) -> str:
        """What is wrong."""
        values = list_values(self.values)
        counts = dict(n=len(self.files), total=self.total, values=values)
        return KINDS[self.kind].message.format(why=self.why, **counts)

    def to_dict(self) -> dict:
        """Return everything, for JSON."""
        names = ('kind', 'split', 'error', 'message', 'remedy', 'values')
        files = [file._asdict() for file in self.files]
        return {name: getattr(self, name) for name in names} | dict(files=files)

    @property
    def sentence(self) -> str:
        """The finding in one line."""
        files = ', '.join(self._shown())
        location = f' ({self.split}: {files})' if files else ''
        return f'{self.message}{location}: {self.remedy}'

    def __str__(self) -> str:
        lines = [f'{self.split}: {self.message}', *self._shown(), f'-> {self.remedy}']
        return '\n    '.join(lines)

    def _shown(self) -> list[str]:
        """The first files, and how many there are more."""
        more = [f'and {len(self.files) - SHOWN} more'] if len(self.files) > SHOWN else []
        return [*map(str, self.files[:SHOWN]), *more]


def merge_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Merge what several splits have in common: the same fault of the same files."""
    merged: dict[tuple, Finding] = {}
    for finding in findings:
        key = (finding.kind, finding.message, tuple(finding.files))
        if key in merged:
            merged[key].split += f', {finding.split}'
        else:
            merged[key] = finding
    return list(merged.values())

"""Describe faults of a dataset: severity, message and remedy of each kind, and affected files."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from .rules import (
    COLOR_MASK,
    OTHER_SIZE,
    PALETTE_MASK,
    SHOWN,
    STRAY_LABELS,
    list_values,
    save_as_classes,
)


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        severity: ``'error'`` if training or metrics would be wrong, ``'warning'`` if it may be
            intended.
        message: Template of the message with the fields ``n``, ``total``, ``values`` and ``why``.
        remedy: The remedy.
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
        remedy='add the images, or remove their names from the list',
    ),
    'missing-mask': Kind(
        'error',
        message='images whose mask is missing: {n} of {total}',
        remedy='add the masks, or remove the images from the dataset',
    ),
    'lonely-mask': Kind(
        'warning',
        message='masks without an image, which are not used: {n}',
        remedy='add the images, or remove the masks',
    ),
    'unreadable': Kind(
        'error',
        message='files that cannot be read completely: {n}',
        remedy='get the files again from their source, or remove them from the dataset',
    ),
    'unsupported': Kind(
        'error',
        message='files that the loader of the config cannot read: {n}',
        remedy='convert the files, or choose another loader; each file has its reason',
    ),
    'too-large': Kind(
        'error',
        message='files that are too large: {n}',
        remedy='cut the files into tiles, or raise the limit named for each file',
    ),
    'size': Kind(
        'error',
        message='masks whose size differs from that of their image: {n} of {total}',
        remedy=OTHER_SIZE,
    ),
    'orientation': Kind(
        'warning',
        message='images that the loader rotates or flips by their EXIF orientation, unlike masks: '
        '{n} of {total}',
        remedy='check that the masks fit the loaded images, or load the images with '
        "color_type='color_ignore_orientation'",
    ),
    'stray-label': Kind(
        'error',
        message='masks with values that are not a class: {n} of {total}; {values}',
        remedy=STRAY_LABELS.format('the masks', 'them'),
    ),
    'ignored-label': Kind(
        'warning',
        message='masks with values that are not a class, which the loader ignores: {n} of {total}; '
        '{values}',
        remedy='no action needed if these pixels should be ignored',
    ),
    '0-255': Kind(
        'error',
        message='masks that contain only 0 and 255: {n} of {total}; 255 is not a class',
        remedy=save_as_classes(2),
    ),
    'some-0-255': Kind(
        'warning',
        message='masks that contain only 0 and 255, while no other mask contains 255: '
        '{n} of {total}',
        remedy='if 255 is a class, save it as the number of this class; now it is ignored',
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
        message='masks that contain only ignored pixels: {n} of {total}',
        remedy='remove these images from the dataset: nothing is learned from them',
    ),
    'one-class': Kind(
        'warning',
        message='masks that contain only one class: {n} of {total}',
        remedy='inspect a few of them; no action needed if they are right',
    ),
    'nothing-labeled': Kind(
        'error',
        message='masks that contain only ignored pixels: all {total}',
        remedy='check the masks, ignore_index and reduce_zero_label',
    ),
    'absent-class': Kind(
        'error',
        message='classes that never occur, so that they cannot be learned: {why}',
        remedy='use another split, or remove the class from the dataset and the model',
    ),
    'absent-class-evaluation': Kind(
        'warning',
        message='classes that never occur, so that their scores are undefined and not part of the '
        'means: {why}',
        remedy='use another split',
    ),
    'no-labels': Kind(
        'error',
        message='the pipeline loads no annotations',
        remedy="add dict(type='LoadAnnotations') to the pipeline",
    ),
    'zero-label': Kind(
        'error', message='{why}', remedy='set the same value, or only that of the dataset'
    ),
    'flipped-labels': Kind(
        'error',
        message='RandomFlip comes after the labels are loaded: MMSegmentation flips predictions '
        'back, but not the labels, so that the scores would be wrong',
        remedy='put RandomFlip before LoadAnnotations, or remove it',
    ),
    'flip': Kind('error', message='{why}', remedy="set 'horizontal' or 'vertical'"),
    'frame': Kind('error', message='{why}', remedy='remove the step'),
    'label-size': Kind(
        'error',
        message='{why}',
        remedy='load the labels after Resize in the pipelines of validation and test',
    ),
    'random': Kind(
        'warning',
        message='the pipeline changes images at random ({why}), so that the scores of a model '
        'differ from run to run',
        remedy='remove these steps from the pipelines of validation and test',
    ),
    'class-count': Kind(
        'error', message='{why}', remedy='make the classes of dataset and model the same'
    ),
    'ignored-class': Kind(
        'warning',
        message='{why}',
        remedy='no action needed if this is intended; otherwise set ignore_index to 255',
    ),
    'ignored-labels': Kind(
        'error', message='{why}', remedy='set the same ignore_index for all heads and metrics'
    ),
    'same-name': Kind(
        'error',
        message='classes with the same name: {why}',
        remedy='give every class in metainfo of the dataset its own name',
    ),
    'model': Kind('error', message='{why}', remedy='correct the model'),
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
        'bits with a suitable window',
    ),
    'converted': Kind(
        'warning',
        message='images whose channels change when they are loaded: {n} of {total}; {why}',
        remedy='no action needed if that is what you want; otherwise convert these files, or '
        'change color_type of the loader, mean and std of data_preprocessor, and in_channels',
    ),
    'blank': Kind(
        'warning',
        message='images with a single value: {n} of {total}',
        remedy='remove them from the dataset, unless they are meant to be empty',
    ),
    'listed-twice': Kind(
        'warning',
        message='images that are listed more than once: {n}',
        remedy='list every image once; RepeatDataset repeats a whole dataset',
    ),
    'duplicate': Kind(
        'warning',
        message='images with the same pixels as another image of the split: {n}',
        remedy='keep one copy of each image',
    ),
    'leak': Kind(
        'error',
        message='images that are in both splits, so that scores on them are not valid: {n}',
        remedy='keep one copy of every image, in one split',
    ),
    'leak-val-test': Kind(
        'warning',
        message='images that are in both splits, so that they influence the choice of the '
        'checkpoint: {n}',
        remedy='keep one copy of every image, in one split',
    ),
}


class File(NamedTuple):
    """A file and a note on its fault."""

    path: str
    note: str = ''

    def __str__(self) -> str:
        return f'{self.path} ({self.note})' if self.note else self.path


@dataclass
class Finding:
    """A fault of one kind in one split, with all affected files.

    Attributes:
        kind: A key of ``KINDS``.
        split: Train, val or test; several splits are separated by commas; 'model' for a fault of
            the model.
        files: The affected files.
        total: Number of files that were checked.
        why: The field ``why`` of the message.
        values: Number of pixels of each faulty value.
        remedy: The remedy; the default is the remedy of the kind.
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
        """Whether it is an error; otherwise it is a warning."""
        return KINDS[self.kind].severity == 'error'

    @property
    def message(self) -> str:
        """The message."""
        values = list_values(self.values)
        counts = dict(n=len(self.files), total=self.total, values=values)
        return KINDS[self.kind].message.format(why=self.why, **counts)

    def to_dict(self) -> dict:
        """Return all contents, for JSON."""
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
        """List the first files, and the number of further files."""
        more = [f'and {len(self.files) - SHOWN} more'] if len(self.files) > SHOWN else []
        return [*map(str, self.files[:SHOWN]), *more]


def merge_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Merge equal faults of the same files in several splits."""
    merged: dict[tuple, Finding] = {}
    for finding in findings:
        key = (finding.kind, finding.message, tuple(finding.files))
        if key in merged:
            merged[key].split += f', {finding.split}'
        else:
            merged[key] = finding
    return list(merged.values())

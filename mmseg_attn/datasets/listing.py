"""List the images of a dataset and check the list, without opening an image."""

import errno
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from os.path import join
from typing import Any, NamedTuple

from mmcv.transforms import LoadImageFromFile
from mmengine import fileio
from mmengine.dataset import BaseDataset
from mmseg.datasets import BaseSegDataset

from .building import listing_fault, suffix_fault
from .findings import KINDS, File, Finding
from .pipelines import augmented, check_pipeline, loads_labels
from .rules import class_conflict

SPLITS = ('train', 'val', 'test')
BOUNDARY_HEADS = ('STDCHead',)  # predict edges of classes, whose number does not matter

# An entry of an image: its split, its file, and the digest of its mask.
Entry = tuple[str, str, str | None]


class Head(NamedTuple):
    """A head, in a config or built.

    Attributes:
        name: Name of the part of the model, ``decode_head`` or ``auxiliary_head``.
        kind: Name of its class.
        channels: Output channels; ``None`` if they are not known.
    """

    name: str
    kind: str
    channels: int | None


@dataclass
class Source:
    """A dataset without its wrappers.

    Attributes:
        split: Train, val or test.
        dataset: The dataset, whose files may be missing; ``None`` if it cannot be built.
        infos: Its entries, in the format that its pipeline takes.
        image_loaders: The transforms that load an image, in order.
        label_loaders: The transforms that load labels, in order.
        findings: Faults of the list.
    """

    split: str
    dataset: BaseDataset | None = None
    infos: list[dict] = field(default_factory=list)
    image_loaders: list = field(default_factory=list)
    label_loaders: list = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes; empty if the dataset has no names."""
        if self.dataset is None:
            return ()
        return tuple(self.dataset.metainfo.get('classes') or ())

    def add(self, kind: str, **details: Any) -> None:
        """Add a finding."""
        self.findings.append(Finding(kind, self.split, **details))


def list_dataset(split: str, dataset: BaseDataset) -> Source:
    """List the images of a dataset, and find missing files.

    Args:
        split: Train, val or test.
        dataset: The dataset, without wrappers; its files may be missing if it is not initialized.
    """
    source = Source(split, dataset)
    for transform in dataset.pipeline.transforms:
        for inner in augmented(transform):
            if loads_labels(inner):
                source.label_loaders.append(inner)
            elif isinstance(inner, LoadImageFromFile) or type(inner).__name__.startswith('Load'):
                source.image_loaders.append(inner)
    source.findings += check_pipeline(split, dataset)
    if fault := suffix_fault(dataset):
        source.add('refused', why=fault[0], remedy=fault[1])
        return source
    failure = fault = None
    try:
        if not dataset._fully_initialized:
            dataset.serialize_data = False  # serialization fails without images
            dataset.full_init()
        source.infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    except Exception as error:  # the class may be the user's own and raise anything
        failure, fault = str(error) or repr(error), listing_fault(error)
        source.infos = _list_with_base_class(dataset)
    if failure and not (source.infos and _find_missing(source)):
        why, remedy = fault or (failure, '')
        source.add('refused', why=why, remedy=remedy)
    elif not source.infos:
        source.add('no-images')
    elif not failure:
        _find_missing(source)
    return source


def _list_with_base_class(dataset: BaseDataset) -> list[dict]:
    """List the images with MMSegmentation's base class after a stricter class has failed."""
    if not isinstance(dataset, BaseSegDataset):
        return []
    try:
        return BaseSegDataset.load_data_list(dataset)
    except Exception:  # the first failure is reported
        return []


def _find_missing(source: Source) -> bool:
    """Find missing images and masks.

    Returns:
        Whether a listed file is missing.
    """
    dataset = source.dataset
    backend = getattr(dataset, 'backend_args', None)
    preparation = getattr(dataset, 'PREPARATION', '')
    missing = False
    for kind, key in (('missing-image', 'img_path'), ('missing-mask', 'seg_map_path')):
        if key == 'seg_map_path' and not source.label_loaders:
            continue
        files = [
            File(info.get(key) or info['img_path'])  # the name of its mask may not be known
            for info in source.infos
            if not (info.get(key) and _exists(info[key], backend))
        ]
        if files:
            missing = True
            remedy = f'{KINDS[kind].remedy}, or {preparation}' if preparation else ''
            source.add(kind, files=files, total=len(source.infos), remedy=remedy)
    return missing


def find_lonely_masks(sources: Iterable[Source]) -> list[Finding]:
    """Find masks beside the masks of a dataset that no image of any dataset uses."""
    sources = list(sources)
    used = {
        os.path.abspath(info['seg_map_path']): info['img_path']
        for source in sources
        for info in source.infos
        if info.get('seg_map_path')
    }
    findings = []
    for source in sources:
        masks = _unmatched_masks(source.dataset) if source.infos else []
        backend = getattr(source.dataset, 'backend_args', None)
        files = [
            File(mask)
            for mask in masks
            if not (image := used.get(os.path.abspath(mask))) or not _exists(image, backend)
        ]
        if files:
            findings.append(Finding('lonely-mask', source.split, files=files))
    return findings


def _unmatched_masks(dataset: BaseDataset | None) -> list[str]:
    if not isinstance(dataset, BaseSegDataset):
        return []
    backend = dataset.backend_args
    images, masks = (dataset.data_prefix.get(key) for key in ('img_path', 'seg_map_path'))
    suffixes = dataset.img_suffix, dataset.seg_map_suffix
    if not all(isinstance(suffix, str) for suffix in suffixes):  # of a dataset with its own list
        return []
    if not images or not masks or (images, suffixes[0]) == (masks, suffixes[1]):
        return []
    if not all(_exists(folder, backend) for folder in (images, masks)):
        return []
    try:
        stems = [
            {
                name.removesuffix(suffix)
                for name in fileio.list_dir_or_file(
                    folder, list_dir=False, suffix=suffix, recursive=True, backend_args=backend
                )
            }
            for folder, suffix in zip((images, masks), suffixes, strict=True)
        ]
    except AttributeError:  # not every backend can list
        return []
    except OSError as error:
        if error.errno != errno.ELOOP:  # links in a circle
            raise
        return []
    return [join(masks, stem + suffixes[1]) for stem in sorted(stems[1] - stems[0])]


def _exists(path: str, backend: dict | None) -> bool:
    """Tell whether a file exists, as far as its backend can tell."""
    try:
        return fileio.exists(path, backend_args=backend)
    except AttributeError:  # such as LmdbBackend
        return True


def check_classes(source: Source, heads: Iterable[Head]) -> list[Finding]:
    """Compare the number of classes of a dataset with that of every head."""
    if source.dataset is None:
        return []
    name, split, count = type(source.dataset).__name__, source.split, len(source.classes)
    if not count:
        why = f'{name} has no class names'
        remedy = 'set metainfo=dict(classes=(...)) of the dataset'
        if 'CLASSES' in source.dataset.metainfo:
            why += ', as its metainfo has CLASSES, the key before MMSegmentation 1.0'
            remedy = 'write classes and palette in lowercase'
        return [Finding('class-count', split, why=why, remedy=remedy)]
    repeated = [each for each, times in Counter(source.classes).items() if times > 1]
    if repeated:
        return [Finding('same-name', split, why=', '.join(repeated))]
    conflicts = (
        class_conflict(name, count, head.name, head.channels)
        for head in heads
        if head.channels and head.kind not in BOUNDARY_HEADS
    )
    return [
        Finding('class-count', split, why=why, remedy=remedy)
        for why, remedy in filter(None, conflicts)
    ]


def check_ignored(
    source: Source, head: int, settings: Iterable[tuple[str, int]]
) -> Iterator[Finding]:
    """Compare the ignored label of the head that predicts with those of other heads and metrics.

    Args:
        source: The dataset.
        head: ``ignore_index`` of the head that predicts.
        settings: Other values of ``ignore_index``, after their names in the config.
    """
    classes = source.classes
    own = [('model.decode_head.ignore_index', head)] if source.split == 'train' else []
    for name, ignored in dict.fromkeys((*own, *settings)):
        if 0 <= ignored < len(classes):
            effect = 'are not learned' if source.split == 'train' else 'do not count in the scores'
            why = f'{name} is {ignored}, so that pixels of {classes[ignored]!r} {effect}'
            if ignored != head and head >= len(classes):
                why += f', and pixels with the label {head}, if any, count as errors'
            yield Finding('ignored-class', source.split, why=why)
        elif ignored != head and head >= len(classes):  # no mask has a negative label
            why = (
                f'model.decode_head.ignore_index is {head}, but {name} is {ignored}, so that '
                f'pixels with the label {head} would count as errors'
            )
            yield Finding('ignored-labels', source.split, why=why, remedy=f'set {name} to {head}')


def mean_values(mean: Sequence[float] | None, in_channels: int | None) -> int | None:
    """Return the number of channels that ``mean`` of the preprocessor is for.

    Args:
        mean: The values; a single one holds for all channels of a backbone that takes several.
        in_channels: Channels that the backbone takes; ``None`` if they are not known.

    Returns:
        The number; ``None`` if ``mean`` is for any number of channels or there is none.
    """
    if mean is None or len(mean) == 0 or len(mean) == 1 < (in_channels or 0):
        return None
    return len(mean)


def find_repeats(
    sources: Iterable[Source],
    contents: Mapping[str, tuple[str | None, str | None]] | None = None,
) -> list[Finding]:
    """Find images that occur twice in a split or in several splits.

    Args:
        sources: All datasets.
        contents: Digests of the pixels of an image and of its mask, by the file of the image.
            Images without a digest are compared by their files.
    """
    names: dict[str, list[str]] = {}
    entries: dict[str, dict[Entry, None]] = {}  # by digest or file, in order
    for source in sources:
        for info in source.infos:
            name = info['img_path']
            names.setdefault(source.split, []).append(name)
            image, mask = (contents or {}).get(name, (None, None))
            entries.setdefault(image or name, {})[source.split, name, mask] = None
    groups = [list(group) for group in entries.values() if len(group) > 1]
    findings = []
    for split, files_of_split in names.items():
        files = [File(name) for name, times in Counter(files_of_split).items() if times > 1]
        if files:
            findings.append(Finding('listed-twice', split, files=files))
        files = [file for group in groups for file in _copies(group, split)]
        if files:
            findings.append(Finding('duplicate', split, files=files))
    for first, second in combinations([split for split in SPLITS if split in names], 2):
        if set(names[first]) == set(names[second]) and first != 'train':
            continue  # validation and test are meant to be one split
        files = [file for group in groups for file in _leaks(group, first, second)]
        if files:
            kind = 'leak' if first == 'train' else 'leak-val-test'
            findings.append(Finding(kind, f'{first} and {second}', files=files))
    return findings


def _copies(group: list[Entry], split: str) -> list[File]:
    """List the images of a split that have the pixels of an earlier image."""
    entries = [entry for entry in group if entry[0] == split]
    return [
        File(name, f'same as {entries[0][1]}' + ', with a different mask' * (mask != entries[0][2]))
        for _, name, mask in entries[1:]
    ]


def _leaks(group: list[Entry], first: str, second: str) -> list[File]:
    """List the images of the second split that are also in the first split."""
    known = [name for split, name, _ in group if split == first]
    if not known:
        return []
    return [
        File(name, 'the same file' if name in known else f'same as {known[0]}')
        for split, name, _ in group
        if split == second
    ]

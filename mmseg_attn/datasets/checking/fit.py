"""Whether the datasets fit the model of the config."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from mmengine.config import Config
from torch import nn

from ...config_types import type_name
from ...models.label_rule import class_count
from .findings import Finding, finding
from .sources import Source

BOUNDARY_HEADS = ('STDCHead',)  # predict the edges of the classes, whatever their number


class Head(NamedTuple):
    """A head, in a config or built.

    Attributes:
        name: Of the part: ``decode_head`` or ``auxiliary_head``.
        kind: The name of its class.
        channels: Output channels; ``None`` if it does not say.
    """

    name: str
    kind: str
    channels: int | None


def heads(cfg: Config) -> Iterator[tuple[str, dict]]:
    """Yield the heads of the model with their names, the one that predicts first."""
    model = cfg.get('model') or {}
    for name in ('decode_head', 'auxiliary_head'):
        head = model.get(name) or []
        for each in reversed(head if isinstance(head, Sequence) else [head]):
            yield name, each


def ignored_label(cfg: Config) -> int:
    """The label of the pixels that do not count."""
    return next((head.get('ignore_index', 255) for _, head in heads(cfg)), 255)


def heads_of_config(cfg: Config) -> Iterator[Head]:
    """Yield what is known of the heads of a config."""
    for name, head in heads(cfg):
        channels = head.get('out_channels') or head.get('num_classes')
        yield Head(name, type_name(head), channels)


def heads_of_model(segmentor: nn.Module) -> Iterator[Head]:
    """Yield what is known of the heads of a model that is built."""
    for name in ('decode_head', 'auxiliary_head'):
        found = getattr(segmentor, name, None)
        for head in found if isinstance(found, nn.ModuleList) else [found]:
            channels = getattr(head, 'out_channels', None) or getattr(head, 'num_classes', None)
            yield Head(name, type(head).__name__, channels)


def check_classes(source: Source, heads: Iterable[Head]) -> list[Finding]:
    """Compare the number of classes of a dataset with that of every head."""
    if source.dataset is None:
        return []
    kind, split, n = type(source.dataset).__name__, source.split, len(source.classes)
    if not n:
        why = f'{kind} names no classes'
        remedy = 'set metainfo=dict(classes=(...)) of the dataset'
        if 'CLASSES' in source.dataset.metainfo:
            why += ': its metainfo has CLASSES, as before MMSegmentation 1.0'
            remedy = 'write classes and palette in lower case'
        return [finding('class-count', split, why=why, remedy=remedy)]
    conflicts = (
        class_conflict(kind, n, head.name, head.channels)
        for head in heads
        if head.channels and head.kind not in BOUNDARY_HEADS
    )
    return [
        finding('class-count', split, why=why, remedy=remedy)
        for why, remedy in filter(None, conflicts)
    ]


def check_pipeline(cfg: Config, source: Source, info: dict) -> list[Finding]:
    """Send one image through the pipeline and compare its channels with what the model takes."""
    try:
        results = source.dataset.pipeline(dict(info, seg_fields=[], sample_idx=0))
    except Exception as error:  # transforms may raise anything
        why = f'{type(error).__name__}: {error} ({info["img_path"]})'
        return [finding('pipeline', source.split, why=why)]
    inputs = (results or {}).get('inputs')
    if inputs is None:
        return []
    model = cfg.get('model') or {}
    preprocessor = model.get('data_preprocessor') or cfg.get('data_preprocessor') or {}
    mean, taken = preprocessor.get('mean'), (model.get('backbone') or {}).get('in_channels')
    conflicts = channel_conflicts(
        'an image',
        inputs,
        mean=len(mean) if mean else None,
        taken=taken if isinstance(taken, int) else None,
    )
    return [finding('channels', source.split, why=why, remedy=to_do) for why, to_do in conflicts]


def class_conflict(dataset: str, classes: int, head: str, channels: int) -> tuple[str, str] | None:
    """Compare the numbers of classes of a dataset and a head.

    Args:
        dataset: Name of the dataset.
        classes: How many it has.
        head: Name of the head in the config.
        channels: Output channels of the head; a single one tells two classes apart.

    Returns:
        What is wrong, and the remedy.
    """
    wanted = class_count(channels)
    if wanted == classes:
        return None
    remedy = f'set model.{head}.num_classes to {classes}'
    if classes == 1:
        remedy = (
            'name every class in metainfo of the dataset, the background too, as in '
            "classes=('background', 'foreground') for masks with the labels 0 and 1"
        )
    elif channels == 1:
        remedy += (
            ' and leave out out_channels, which is 1 for two classes only, and use_sigmoid=True'
        )
    found = f'{dataset} has {classes} {"class" if classes == 1 else "classes"}'
    return f'{found} and the {head.replace("_", " ")} {wanted}', remedy


def channel_conflicts(
    image: str, inputs: Any, *, mean: int | None, taken: int | None
) -> Iterator[tuple[str, str]]:
    """Compare the channels of an image with those that the model takes.

    Args:
        image: Name of the image.
        inputs: The image, ``(C, H, W)``, or several versions of it for test-time augmentation.
        mean: How many values the preprocessor subtracts.
        taken: Channels that the backbone takes.

    Yields:
        What is wrong, and the remedy.
    """
    channels = (inputs[0] if isinstance(inputs, list) else inputs).shape[0]
    comes = f'{image} comes out of the pipeline with {channels} channels and'
    if mean not in (None, channels):
        yield (
            f'{comes} data_preprocessor has {mean} values in mean',
            f'give mean and std {channels} values, or load the images with another color_type '
            "('grayscale' gives 1 channel, 'color' 3)",
        )
    if taken not in (None, channels):
        yield (
            f'{comes} the backbone takes {taken}',
            f'set model.backbone.in_channels to {channels}',
        )

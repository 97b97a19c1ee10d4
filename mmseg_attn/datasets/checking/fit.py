"""Whether the data sets fit the model of the config."""

from collections.abc import Iterator, Sequence

from mmengine.config import Config

from .findings import Finding, finding
from .sources import Source

BOUNDARY_HEADS = ('STDCHead',)  # predict the edges of the classes, whatever their number


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


def check_classes(cfg: Config, source: Source) -> list[Finding]:
    """Compare the number of classes with that of every head."""
    if source.dataset is None:
        return []
    kind, split, n = type(source.dataset).__name__, source.split, len(source.classes)
    if not n:
        why = f'{kind} names no classes'
        remedy = 'set metainfo=dict(classes=(...)) of the data set'
        return [finding('class-count', split, why=why, remedy=remedy)]
    found = []
    for name, head in heads(cfg):
        if head['type'] in BOUNDARY_HEADS:
            continue
        wanted = head.get('num_classes', n)
        if head.get('out_channels', wanted) == 1:  # one channel tells two classes apart
            wanted = 2
        if wanted != n:
            why = f'{kind} has {n} classes and the {name.replace("_", " ")} {wanted}'
            remedy = f'set model.{name}.num_classes to {n}'
            found.append(finding('class-count', split, why=why, remedy=remedy))
    return found


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
    channels = (inputs[0] if isinstance(inputs, list) else inputs).shape[0]
    model = cfg.get('model') or {}
    preprocessor = model.get('data_preprocessor') or cfg.get('data_preprocessor') or {}
    mean, taken = preprocessor.get('mean'), (model.get('backbone') or {}).get('in_channels')
    found = []
    if mean and len(mean) != channels:
        found.append(f'data_preprocessor has {len(mean)} values in mean')
    if isinstance(taken, int) and taken != channels:
        found.append(f'the backbone takes {taken}')
    if not found:
        return []
    why = f'an image comes out of the pipeline with {channels} channels; {", ".join(found)}'
    return [finding('channels', source.split, why=why)]

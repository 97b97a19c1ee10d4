"""Check all datasets of a config in one pass."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, METRICS, MODELS

from ...config_types import class_of, type_name
from ...datasets.building import listing_fault
from ...datasets.findings import KINDS, Finding
from ...datasets.listing import (
    SPLITS,
    Head,
    Source,
    check_classes,
    check_ignored,
    find_lonely_masks,
    find_repeats,
    list_dataset,
    mean_values,
)
from ...datasets.pipelines import size_fault
from ...datasets.rules import IGNORE, channel_conflicts
from ...engine.cfg_keys import parameters_of
from ...errors import DataError
from ...evaluation.confusion import metric_configs
from ...models.segmentors import setting_faults
from ..cli import progress
from .class_weights import ignored_label
from .inspector import Inspection, Inspector
from .result import CheckResult
from .splits import judge_split, summarize

FEW = 32  # fewer images are checked without starting processes
_inspector: Inspector  # of a worker process


def check_config(cfg: Config, *, sample: int | None = None, workers: int = 1) -> CheckResult:
    """Check the training, validation and test datasets of a config.

    Args:
        cfg: A training config. Without a model, classes and channels are not compared.
        sample: Number of images of each dataset to open, evenly spaced; ``None`` opens all.
        workers: Number of processes that open images.

    Raises:
        DataError: If the config has no dataset, or a worker dies.
    """
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    sources, same = _read_sources(cfg)
    if not sources:
        raise DataError('the config has no dataset: add a train_dataloader')
    configs = list(_head_configs(cfg))
    heads = [Head(name, type_name(head), _output_channels(head)) for name, head in configs]
    ignored = ignored_label(cfg)
    findings = list(_check_model(cfg))
    inspections: dict[str, list[Inspection]] = {}
    for source in sources:
        findings += source.findings + check_classes(source, heads)
        if configs:
            findings += check_ignored(source, ignored, _ignored(cfg, source.split))
        infos = _spread(source.infos, sample)
        if any(finding.kind == 'zero-label' for finding in source.findings):
            infos = []  # the loader fails for every mask
        inspected = list(_inspect(source, infos, ignored, workers)) if infos else []
        sound = [
            info
            for info, inspection in zip(infos, inspected, strict=True)
            if _is_sound(inspection, source)
        ]
        if sound:
            findings += _check_pipeline(cfg, source, sound[0])
        inspections.setdefault(source.split, []).extend(inspected)
    splits: dict[str, dict] = {}
    for split, inspected in inspections.items():
        same_split = [source for source in sources if source.split == split]
        known = dict(classes=same_split[0].classes, ignored=ignored)
        findings += judge_split(split, inspected, complete=sample is None, **known)
        listed = sum(len(source.infos) for source in same_split)
        splits[split] = summarize(inspected, listed=listed, **known)
    splits |= {split: dict(same_as=other) for split, other in same.items()}
    contents = {
        inspection.image: (inspection.content, inspection.labels)
        for inspected in inspections.values()
        for inspection in inspected
    }
    findings += find_lonely_masks(sources) + find_repeats(sources, contents)
    return CheckResult(splits, findings, sample)


def _read_sources(cfg: Config) -> tuple[list[Source], dict[str, str]]:
    """Build the datasets of the three loaders and list their images.

    Returns:
        The datasets, and ``{'test': 'val'}`` if test equals val and is therefore left out.
    """
    loaders = {split: cfg.get(f'{split}_dataloader') for split in SPLITS}
    datasets = {split: loader['dataset'] for split, loader in loaders.items() if loader}
    same = {}
    if 'test' in datasets and datasets['test'] == datasets.get('val'):
        same['test'] = 'val'
        del datasets['test']
    sources = [
        _read(split, leaf) for split, dataset in datasets.items() for leaf in _leaves(dataset)
    ]
    return sources, same


def _leaves(dataset: dict) -> Iterator[dict]:
    """Yield the datasets inside wrappers such as ``RepeatDataset`` and ``ConcatDataset``."""
    inner = dataset.get('datasets') or ([dataset['dataset']] if 'dataset' in dataset else [])
    if not inner:
        yield dataset
    for wrapped in inner:
        yield from _leaves(wrapped)


def _read(split: str, config: dict) -> Source:
    try:
        dataset = DATASETS.build(dict(config, lazy_init=True))
    except Exception as error:  # the class may be the user's own and raise anything
        source = Source(split)
        why, remedy = listing_fault(error) or (str(error) or repr(error), '')
        source.add('refused', why=why, remedy=remedy)
        return source
    return list_dataset(split, dataset)


def _output_channels(head: dict) -> int | None:
    """Return the channels of the logits; ``out_channels`` of some heads is that of embeddings."""
    channels, classes = head.get('out_channels'), head.get('num_classes')
    return channels if channels == 1 or classes is None else classes


def _check_model(cfg: Config) -> Iterator[Finding]:
    model = cfg.get('model') or {}
    std = _preprocessor(cfg).get('std') or ()
    for why, remedy in setting_faults(class_of(model, MODELS), model.get('test_cfg'), std):
        yield Finding('model', 'model', why=why, remedy=remedy)


def _preprocessor(cfg: Config) -> dict:
    model = cfg.get('model') or {}
    return model.get('data_preprocessor') or cfg.get('data_preprocessor') or {}


def _ignored(cfg: Config, split: str) -> list[tuple[str, int]]:
    """Return the ignored labels of auxiliary heads or, for validation and test, of metrics."""
    if split == 'train':
        heads = [head for name, head in _head_configs(cfg) if name == 'auxiliary_head']
        parts = [('model.auxiliary_head', head) for head in heads]
    else:
        metrics = metric_configs(cfg.get(f'{split}_evaluator'))
        parts = [(f'{split}_evaluator', metric) for metric in metrics if _ignores(metric)]
    values = [(f'{name}.ignore_index', part.get('ignore_index', IGNORE)) for name, part in parts]
    return [(name, value) for name, value in values if isinstance(value, int)]


def _ignores(metric: dict) -> bool:
    """Return whether a metric has an ``ignore_index``."""
    return 'ignore_index' in parameters_of(class_of(metric, METRICS))[0]


def _head_configs(cfg: Config) -> Iterator[tuple[str, dict]]:
    """Yield the heads of the model with their names; the head that predicts comes first."""
    model = cfg.get('model') or {}
    for name in ('decode_head', 'auxiliary_head'):
        heads = model.get(name) or []
        for head in reversed(heads if isinstance(heads, Sequence) else [heads]):
            yield name, head


def _spread(infos: list[dict], sample: int | None) -> list[dict]:
    if sample is None or sample >= len(infos):
        return infos
    return [infos[i] for i in np.linspace(0, len(infos) - 1, sample).astype(int)]


def _is_sound(inspection: Inspection, source: Source) -> bool:
    """Return whether the pipeline can load these files."""
    labeled = inspection.pixels is not None or not source.label_loaders
    errors = any(KINDS[problem.kind].severity == 'error' for problem in inspection.problems)
    return inspection.size is not None and labeled and not errors


def _check_pipeline(cfg: Config, source: Source, info: dict) -> list[Finding]:
    """Send one image through the pipeline and compare its channels with those of the model."""
    try:
        results = source.dataset.pipeline(dict(info, seg_fields=[], sample_idx=0))
    except Exception as error:  # transforms may raise anything
        why = f'{type(error).__name__}: {error} ({info["img_path"]})'
        return [Finding('pipeline', source.split, why=why)]
    fault = None if source.split == 'train' else size_fault(results, info['img_path'])
    if fault:
        return [Finding('label-size', source.split, why=fault[0])]
    inputs = (results or {}).get('inputs')
    if inputs is None:
        return []
    in_channels = ((cfg.get('model') or {}).get('backbone') or {}).get('in_channels')
    in_channels = in_channels if isinstance(in_channels, int) else None
    mean = mean_values(_preprocessor(cfg).get('mean'), in_channels)
    conflicts = channel_conflicts('an image', inputs, mean=mean, in_channels=in_channels)
    return [Finding('channels', source.split, why=why, remedy=remedy) for why, remedy in conflicts]


def _inspect(
    source: Source, infos: Sequence[dict], ignored: int, workers: int
) -> Iterator[Inspection]:
    inspector = Inspector(
        source.image_loaders,
        source.label_loaders,
        classes=len(source.classes),
        ignored=ignored,
        backend_args=getattr(source.dataset, 'backend_args', None),
    )
    label = f'checking {source.split} image'
    if workers == 1 or len(infos) < FEW:
        yield from map(inspector, progress(infos, label))
        return
    pool = ProcessPoolExecutor(workers, initializer=_start, initargs=(inspector,))
    try:
        results = pool.map(_inspect_in_worker, infos, chunksize=4)
        for _, result in zip(progress(infos, label), results, strict=True):
            yield result
    except BrokenProcessPool as error:
        raise DataError(
            'a process that checks images died, perhaps because the memory is full: lower '
            '--workers; with --workers 1, the progress shows the image'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start(inspector: Inspector) -> None:
    global _inspector
    _inspector = inspector


def _inspect_in_worker(info: dict) -> Inspection:
    return _inspector(info)

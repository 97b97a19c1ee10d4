"""Check the datasets of a config, all of them in one pass."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ...apps.cli import progress
from ...errors import DataError
from .findings import Finding
from .fit import check_classes, check_pipeline, heads_of_config, ignored_label
from .inspection import Inspection
from .inspector import Inspector
from .kinds import KINDS
from .repeats import find_repeats
from .report import Report
from .sources import Source, read_sources
from .splits import judge_split, summarize

FEW = 32  # images for which starting processes does not pay
_inspector: Inspector  # of a worker process


def check_config(cfg: Config, *, sample: int | None = None, workers: int = 1) -> Report:
    """Look at the training, validation and test sets of a config.

    Args:
        cfg: A training config; without a model, classes and channels are not compared with it.
        sample: How many images of each dataset to open, spread over it; ``None`` opens all.
        workers: Processes that open images.

    Raises:
        DataError: If the config has no dataset, or a worker dies.
    """
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    sources, same = read_sources(cfg)
    if not sources:
        raise DataError('the config has no dataset: name a config with a train_dataloader')
    ignore_index = ignored_label(cfg)
    findings: list[Finding] = []
    names: dict[str, list[str]] = {}
    seen: dict[str, list[Inspection]] = {}
    classes: dict[str, tuple[str, ...]] = {}
    for source in sources:
        findings += source.findings + check_classes(source, heads_of_config(cfg))
        infos = _spread(source.infos, sample)
        found = list(_inspect(source, infos, ignore_index, workers)) if infos else []
        sound = [info for info, each in zip(infos, found, strict=True) if _is_sound(each, source)]
        if sound:
            findings += check_pipeline(cfg, source, sound[0])
        names.setdefault(source.split, []).extend(info['img_path'] for info in source.infos)
        seen.setdefault(source.split, []).extend(found)
        classes.setdefault(source.split, source.classes)
    splits: dict[str, dict] = {}
    for split, inspections in seen.items():
        known = dict(classes=classes[split], ignore_index=ignore_index)
        findings += judge_split(split, inspections, complete=sample is None, **known)
        splits[split] = summarize(inspections, listed=len(names[split]), **known)
    splits |= {split: dict(same_as=other) for split, other in same.items()}
    return Report(splits, findings + find_repeats(names, seen), sample)


def _spread(infos: list[dict], sample: int | None) -> list[dict]:
    if sample is None or sample >= len(infos):
        return infos
    return [infos[i] for i in np.linspace(0, len(infos) - 1, sample).astype(int)]


def _is_sound(inspection: Inspection, source: Source) -> bool:
    """Whether the pipeline has no reason in these files to fail."""
    labeled = inspection.pixels is not None or not source.label_loaders
    errors = any(KINDS[problem.kind][0] for problem in inspection.problems)
    return inspection.size is not None and labeled and not errors


def _inspect(
    source: Source, infos: Sequence[dict], ignore_index: int, workers: int
) -> Iterator[Inspection]:
    inspector = Inspector(
        source.image_loaders,
        source.label_loaders,
        classes=len(source.classes),
        ignore_index=ignore_index,
        backend_args=getattr(source.dataset, 'backend_args', None),
    )
    label = f'checking {source.split}'
    if workers == 1 or len(infos) < FEW:
        yield from map(inspector, progress(infos, label))
        return
    pool = ProcessPoolExecutor(workers, initializer=_start, initargs=(inspector,))
    try:
        results = pool.map(_look, infos, chunksize=4)
        for _, result in zip(progress(infos, label), results, strict=True):
            yield result
    except BrokenProcessPool as error:
        raise DataError(
            'a process that opened images died, for want of memory perhaps: lower --workers; '
            'with --workers 1 the progress shows at which image'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start(inspector: Inspector) -> None:
    global _inspector
    _inspector = inspector


def _look(info: dict) -> Inspection:
    return _inspector(info)

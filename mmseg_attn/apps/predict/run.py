"""Predict many files; one that is broken does not stop the others."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...errors import DataError
from .inputs import Item
from .intensities import Intensities, Mapping
from .loaded import Loaded, load_file
from .loader import channels
from .predictor import Predictor
from .progress import ProgressLine
from .results import Results


@dataclass
class Report:
    """What became of the files.

    Attributes:
        done: The complete ones: name of the results, and what was done to the gray values.
        failed: The others, with a sentence each.
        slices: Number of slices in the complete ones.
        made_gray: Number of color pictures that the model saw in gray.
        cut: Number of images of more channels than the model saw.
        without_area: Number of files that do not know the size of a pixel.
        medical: Number of NIfTI and DICOM files whose values were taken as they are.
        notes: What was assumed about files, and contradictions in them, with the files.
    """

    done: dict[Path, tuple[str, Mapping | None]] = field(default_factory=dict)
    failed: dict[Path, str] = field(default_factory=dict)
    slices: int = 0
    made_gray: int = 0
    cut: int = 0
    without_area: int = 0
    medical: int = 0
    notes: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))


@dataclass
class _Open:
    """A file whose slices are with the model."""

    item: Item
    loaded: Loaded
    labels: list[np.ndarray] = field(default_factory=list)


def predict_files(
    predictor: Predictor,
    items: Sequence[Item],
    results: Results,
    *,
    intensities: Intensities,
    batch_size: int = 1,
) -> Report:
    """Predict files and write their results.

    Args:
        predictor: The model.
        items: The files.
        results: Where results go; a file's are written when all its slices are done.
        intensities: What is done to values of more than 8 bits.
        batch_size: The most slices that the model sees at once, of several files if need be.

    Raises:
        OSError: If the results cannot be written.
    """
    report = Report()
    line = ProgressLine(len(items))
    opened: dict[Path, _Open] = {}

    def fail(path: Path, reason: str) -> None:
        opened.pop(path, None)
        report.failed[path] = reason
        line.note(f'skipped: {reason}')

    def slices() -> Iterator[tuple[Path, np.ndarray]]:
        for item in items:
            try:
                loaded = load_file(
                    item.path, predictor.loader, intensities, taken=predictor.channels
                )
            except DataError as error:
                fail(item.path, str(error))
                continue
            except OSError as error:
                fail(item.path, f'{item.path} cannot be read: {error.strerror or error}')
                continue
            opened[item.path] = _Open(item, loaded)
            for image in loaded.images:
                if item.path in report.failed:
                    break
                yield item.path, image

    def show(path: Path, window: int, windows: int) -> None:
        current = opened[path]
        ended = len(report.done) + len(report.failed)
        k, total = len(current.labels), len(current.loaded.images)
        line.show(ended, path.name, k, total, window, windows)

    predictor.windows.watch = show
    for path, labels in predictor(slices(), batch_size=batch_size):
        if path in report.failed:
            continue
        current = opened[path]
        if isinstance(labels, Exception):
            fail(path, f'{path} {_reason(labels)}')
            continue
        current.labels.append(labels)
        total = len(current.loaded.images)
        if len(current.labels) == total:
            del opened[path]
            results.write(
                path,
                current.item.name,
                current.loaded.source,
                current.loaded.images,
                current.labels,
                bgr=predictor.loader.bgr,
            )
            _count(report, current)
        ended = len(report.done) + len(report.failed)
        line.show(ended, path.name, len(current.labels) % total, total)
    line.close()
    return report


def _count(report: Report, current: _Open) -> None:
    path, source, mapping = current.item.path, current.loaded.source, current.loaded.mapping
    report.done[path] = current.item.name, mapping
    report.slices += len(current.labels)
    given = source.image.channels if source.image else channels(source.slices[0])
    seen = channels(current.loaded.images[0])
    report.made_gray += given >= 3 and seen == 1
    report.cut += given > seen > 1
    report.without_area += source.pixel_area is None
    report.medical += source.medical and mapping is None
    for note in source.notes:
        report.notes[note].append(path)


def _reason(error: Exception) -> str:
    if isinstance(error, DataError):
        return str(error)
    text = ' '.join(str(error).split()) or type(error).__name__
    if 'out of memory' in text or "can't allocate memory" in text:
        return 'does not fit into the memory: use --window, with a smaller size if need be'
    return f'was not taken by the model: {text[:300]}'

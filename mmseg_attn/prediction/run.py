"""Predict many files; one that is broken does not stop the others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..datasets.conversion import ConversionError
from .inputs import Item
from .intensities import Intensities, Mapping
from .predictor import Predictor
from .progress import ProgressLine
from .results import Results
from .sources import Source, read_source


@dataclass
class Report:
    """What became of the files.

    Attributes:
        done: The complete ones: name of the results, and what was done to the grey values.
        failed: The others, with a sentence each.
        slices: Number of slices in the complete ones.
        made_grey: Number of colour pictures that the model saw in grey.
        without_area: Number of files that do not know the size of a pixel.
        medical: Number of NIfTI and DICOM files whose values were taken as they are.
    """

    done: dict[Path, tuple[str, Mapping | None]] = field(default_factory=dict)
    failed: dict[Path, str] = field(default_factory=dict)
    slices: int = 0
    made_grey: int = 0
    without_area: int = 0
    medical: int = 0


@dataclass
class _Open:
    """A file whose slices are with the model."""

    item: Item
    source: Source
    shown: list[np.ndarray]
    mapping: Mapping | None
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
                source = read_source(item.path)
                values, mapping = intensities.apply(item.path, source)
            except ConversionError as error:
                fail(item.path, str(error))
                continue
            except OSError as error:
                fail(item.path, f'{item.path} cannot be read: {error.strerror or error}')
                continue
            shown = [predictor.prepare(each) for each in values]
            opened[item.path] = _Open(item, source, shown, mapping)
            for image in shown:
                if item.path in report.failed:
                    break
                yield item.path, image

    for path, labels in predictor(slices(), batch_size=batch_size):
        if path in report.failed:
            continue
        current = opened[path]
        if isinstance(labels, Exception):
            fail(path, f'{path} {_reason(labels)}')
            continue
        current.labels.append(labels)
        if len(current.labels) == len(current.shown):
            del opened[path]
            results.write(path, current.item.name, current.source, current.shown, current.labels)
            _count(report, current)
        ended = len(report.done) + len(report.failed)
        line.show(ended, path.name, len(current.labels) % len(current.shown), len(current.shown))
    line.close()
    return report


def _count(report: Report, current: _Open) -> None:
    report.done[current.item.path] = current.item.name, current.mapping
    report.slices += len(current.labels)
    report.made_grey += current.source.slices[0].ndim > current.shown[0].ndim
    report.without_area += current.source.pixel_area is None
    report.medical += current.source.medical and current.mapping is None


def _reason(error: Exception) -> str:
    text = ' '.join(str(error).split()) or type(error).__name__
    if 'out of memory' in text or "can't allocate memory" in text:
        return 'does not fit into the memory: use --window, with a smaller size if need be'
    return f'was not taken by the model: {text[:300]}'

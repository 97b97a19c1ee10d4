"""Predict many files; a broken file does not stop the others."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from ...errors import DataError
from ...io.ome_zarr import ZarrMaps
from .inputs import Item
from .intensities import Intensities, IntensityMapping
from .lazy import WindowedSlices
from .loaded import Loaded
from .loader import channels
from .maps import MapResults, StackMaps
from .neighbors import neighbor_channels
from .objects import ObjectResults
from .parallel import Background
from .predictor import Predictor
from .progress import ProgressLine
from .results import Results
from .sources import StackRules
from .stacks import discard


@dataclass
class Predictions:
    """The outcome of a run.

    Attributes:
        done: The predicted files: name of the results, and conversion of the gray values.
        failed: The other files, with the reason as a sentence.
        slices: Number of slices in the predicted files.
        made_gray: Number of color images that the loader converted to gray.
        cut: Number of images with more channels than the model received.
        without_area: Number of files without a pixel size.
        medical: Number of NIfTI and DICOM files whose values were not converted.
        notes: Assumptions about files and contradictions in them, with the files.
    """

    done: dict[Path, tuple[str, IntensityMapping | None]] = field(default_factory=dict)
    failed: dict[Path, str] = field(default_factory=dict)
    slices: int = 0
    made_gray: int = 0
    cut: int = 0
    without_area: int = 0
    medical: int = 0
    notes: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))


@dataclass
class _Open:
    """A file whose slices are being predicted."""

    item: Item
    loaded: Loaded
    labels: list[np.ndarray] | ZarrMaps
    maps: StackMaps | None


def predict_files(
    predictor: Predictor,
    items: Sequence[Item],
    results: Results,
    *,
    intensities: Intensities,
    batch_size: int = 1,
    maps: MapResults | None = None,
    objects: ObjectResults | None = None,
    workers: int = 0,
    rules: StackRules | None = None,
    neighbors: int | None = None,
    files: Sequence[Path] = (),
) -> Predictions:
    """Predict files and write their results.

    Args:
        predictor: The model.
        items: The files.
        results: The output folder; the results of a file are written after its last slice.
        intensities: The conversion of values of more than 8 bits.
        batch_size: The largest number of slices in a batch, also of several files.
        maps: Writes probabilities and uncertainty.
        objects: Writes the objects of some classes.
        workers: Number of threads that predict, as in :meth:`Predictor.predict`, while others draw
            overlays; 0 does everything in the calling thread.
        rules: How to read TIFF and OME-Zarr files.
        neighbors: Number of slices below and above each slice that the model takes as channels;
            ``None`` for those of ``LoadNeighbors`` in the config.
        files: The files among which neighbors of a DICOM file are found; default: those of items.

    Raises:
        OSError: If the results cannot be written.
    """
    predictions = Predictions()
    line = ProgressLine(len(items))
    opened: dict[Path, _Open] = {}
    files = files or [item.path for item in items]
    source = neighbor_channels(predictor, intensities, files, rules=rules, neighbors=neighbors)

    def fail(path: Path, reason: str) -> None:
        stopped = opened.pop(path, None)
        if stopped:
            for written in (stopped.labels, *(stopped.maps.stacks if stopped.maps else ())):
                discard(written)
        predictions.failed[path] = reason
        line.note(f'skipped: {reason}')

    def slices() -> Iterator[tuple[Path, np.ndarray]]:
        for item in items:
            try:
                loaded = source.load(item.path)
                labels = results.new_labels(item.name, loaded.content)
                kept = maps.start(item.name, loaded.content) if maps else None
                opened[item.path] = _Open(item, loaded, labels, kept)
                for image in source.images(item.path, loaded):
                    if item.path in predictions.failed:
                        break
                    yield item.path, image
            except DataError as error:
                fail(item.path, str(error))
            except OSError as error:
                fail(item.path, f'{item.path} cannot be read: {error.strerror or error}')

    def show(path: Path, window: int, windows: int) -> None:
        if path in predictions.failed:  # while its other slices are predicted
            return
        current = opened[path]
        processed = len(predictions.done) + len(predictions.failed)
        k, total = len(current.labels), len(current.loaded.images)
        line.show(processed, path.name, k, total, window, windows)

    predictor.windows.watch = show
    drawing = Background(torch.get_num_threads()) if workers else nullcontext()
    with drawing as background:
        for path, result in predictor.predict(slices(), batch_size=batch_size, workers=workers):
            if path in predictions.failed:
                continue
            current = opened[path]
            if isinstance(result, Exception):
                fail(path, f'{path} {reason_of(result)}')
                continue
            current.labels.append(result.labels)
            if current.maps:
                current.maps.append(result)
            total = len(current.loaded.images)
            if len(current.labels) == total:
                del opened[path]
                results.write(
                    path,
                    current.item.name,
                    current.loaded.content,
                    current.loaded.images,
                    current.labels,
                    bgr=predictor.loader.bgr,
                    background=background,
                )
                if maps and current.maps:
                    maps.write(
                        path,
                        current.item.name,
                        current.loaded.content,
                        current.loaded.images,
                        current.maps,
                        bgr=predictor.loader.bgr,
                        background=background,
                    )
                if objects:
                    try:
                        objects.write(
                            path, current.item.name, current.loaded.content, current.labels
                        )
                    except DataError as error:  # the other results are kept
                        predictions.notes[str(error)].append(path)
                _count(predictions, current)
            processed = len(predictions.done) + len(predictions.failed)
            line.show(processed, path.name, len(current.labels) % total, total)
    line.close()
    return predictions


def _count(predictions: Predictions, current: _Open) -> None:
    path, content, mapping = current.item.path, current.loaded.content, current.loaded.mapping
    values = getattr(current.loaded.images, 'slices', None)
    if mapping and isinstance(values, WindowedSlices):
        mapping = mapping._replace(outside=values.outside)
    predictions.done[path] = current.item.name, mapping
    predictions.slices += len(current.labels)
    stored = content.images[0].channels if content.images else channels(content.slices[0])
    received = channels(current.loaded.images[0])
    predictions.made_gray += stored >= 3 and received == 1
    predictions.cut += stored > received > 1
    predictions.without_area += content.pixel_area is None
    predictions.medical += content.medical and mapping is None
    for note in content.notes:
        predictions.notes[note].append(path)


def reason_of(error: Exception) -> str:
    """Return the reason for which an image was not predicted, to follow the name of its file."""
    if isinstance(error, DataError):
        return str(error)
    text = ' '.join(str(error).split()) or type(error).__name__
    if 'out of memory' in text or "can't allocate memory" in text:
        return 'does not fit into the memory: use --window, or a smaller window'
    return f'was rejected by the model ({text[:300]}): use images like the training images'

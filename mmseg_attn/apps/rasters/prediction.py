"""Predict rasters window by window, and write masks with their coordinates."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmseg.registry import TRANSFORMS

from ...config_types import type_name
from ...datasets.transforms import LoadRaster
from ...errors import DataError
from ...io import counted, percentile_window, to_bytes
from ...io.raster import BandRule, Raster, gdal
from ...io.raster_mask import raster_mask
from ...models.label_rule import class_logits
from ...models.segmentors import LargeImageEncoderDecoder, entropy_of
from ..predict.inputs import Item
from ..predict.maps import MapResults
from ..predict.pipeline import test_dataset
from ..predict.predictor import REFUSALS, Predictor
from ..predict.progress import ProgressLine
from ..predict.results import LARGE, PANEL, Results
from ..predict.run import Predictions, reason_of
from ..predict.thresholds import decide
from .inputs import RasterInputs
from .maps import STEPS, raster_maps
from .polygons import write_polygons

ROWS = 64  # are converted at a time
STRETCH = 1.0, 99.0  # percentiles of the values that are drawn black and white
NOWHERE = 'no coordinate reference system, so the mask has none and no polygons are written'
BANDS = dict(color=[3, 2, 1], grayscale=[1])  # of the loaders that return 8 bits


def loads_rasters(cfg: Config) -> bool:
    """Tell whether the test pipeline of a config begins with ``LoadRaster``."""
    steps = test_dataset(cfg).pipeline
    return bool(steps) and type_name(steps[0]) == LoadRaster.__name__


def use_rasters(cfg: Config) -> bool:
    """Make the test pipeline of a config load rasters in place of images.

    Returns:
        Whether the model takes values of 8 bits.

    Raises:
        DataError: If the order of the channels is not known.
    """
    if loads_rasters(cfg):
        return False
    steps = test_dataset(cfg).pipeline
    loader = TRANSFORMS.build(dict(steps[0])) if steps else None
    kind = str(getattr(loader, 'color_type', '')).removesuffix('_ignore_orientation')
    tifffile = getattr(loader, 'imdecode_backend', '') == 'tifffile'
    if not tifffile and kind not in BANDS:
        raise DataError(
            f'the loader of {cfg.filename} does not say which bands the channels are: replace it '
            "by dict(type='LoadRaster', bands=[...])"
        )
    steps[0] = dict(type=LoadRaster.__name__)
    if not tifffile:
        steps[0]['bands'] = BANDS[kind]
    return not tifffile


class Rows(NamedTuple):
    """Hold what is predicted for some rows of a raster.

    Attributes:
        labels: The labels ``(rows, W)``.
        valid: Which pixels have data, ``(rows, W)``.
        maps: ``probabilities`` ``(classes, rows, W)`` and ``entropy`` in nats ``(1, rows, W)``;
            empty unless ``Predictor`` was built with ``maps``.
    """

    labels: np.ndarray
    valid: np.ndarray
    maps: dict[str, np.ndarray]


class RasterPredictor:
    """Predict the labels of rasters in bands of rows, in the memory of a row of windows.

    The labels are those that ``Predictor`` returns for an image of the same pixels.

    Args:
        predictor: The model, with sliding windows.
        eight_bit: Whether the model takes only values of 8 bits.

    Raises:
        DataError: If the model does not slide windows, or the pipeline has steps that may depend
            on the whole image.
    """

    def __init__(self, predictor: Predictor, *, eight_bit: bool = False) -> None:
        model = predictor.model
        parts = getattr(model, 'members', [model])  # of an ensemble
        slides = all(isinstance(part, LargeImageEncoderDecoder) for part in parts)
        if not slides or (model.test_cfg or {}).get('mode') != 'slide':
            raise DataError(
                'rasters are predicted window by window, but the model of the config does not '
                'slide windows: set --window 512, for an EncoderDecoder and without --tta'
            )
        names = [type(step).__name__ for step in predictor.pipeline.transforms]
        for name in names:
            if not name.startswith('Pack'):
                raise DataError(
                    f'the test pipeline contains {name}, which may depend on the whole image, but '
                    'rasters are read window by window: remove it'
                )
        self.predictor = predictor
        self.rule = predictor.loader.transform.rule
        self.eight_bit = eight_bit

    def open(self, path: Path) -> Raster:
        """Open a raster with the bands of the config.

        Raises:
            DataError: If it cannot be opened, or its bands do not fit the model.
        """
        raster, expected = Raster(path, self.rule), self.predictor.channels
        if self.rule.bands is None and len(raster.numbers) != expected == raster.dataset.count:
            raster.dataset.close()  # what GDAL takes for alpha is a channel
            raster = Raster(path, replace(self.rule, bands=range(1, expected + 1)))
        try:
            count = len(raster.numbers)
            if expected not in (None, count):
                raise DataError(
                    f'{path} has {counted(count, "band")} ({", ".join(raster.names)}), but the '
                    f'model takes {expected}: name them with bands of LoadRaster'
                )
            if self.eight_bit and not raster.eight_bit:
                raise DataError(
                    f'{path} contains {raster.dataset.dtypes[0]} values, but the model was trained '
                    'on 8 bits: convert them with gdal_translate -ot Byte -scale LOW HIGH 0 255'
                )
        except BaseException:
            raster.dataset.close()
            raise
        return raster

    def predict(
        self, raster: Raster, watch: Callable[[int, int], None] = lambda *_: None
    ) -> Iterator[Rows]:
        """Predict a raster.

        Args:
            raster: The raster.
            watch: Called with the number of windows that are read, and of all.

        Yields:
            Rows of the raster, from the top.

        Raises:
            DataError: If a window cannot be read.
        """
        predictor, grid = self.predictor, raster.grid
        done = 0

        def read() -> None:
            nonlocal done
            done += 1
            watch(min(done, predictor.windows.total), predictor.windows.total)

        inputs = RasterInputs(
            raster,
            lambda image: predictor.prepare(raster.path, image)['inputs'],
            predictor.preprocessor,
            predictor.device,
            watch=read,
        )
        predictor.windows.start(raster.path, [inputs.shape])
        meta = dict(img_path=str(raster.path), ori_shape=(grid.height, grid.width))
        bands = predictor.model.bands(inputs, [meta])
        top = 0
        while top < grid.height:
            with torch.no_grad(), torch.autocast(predictor.device.type, enabled=predictor.amp):
                logits = next(bands)[:, :, : grid.height - top, : grid.width]
            valid = inputs.valid[: logits.shape[2]]
            for part, found in zip(logits.split(ROWS, dim=2), _split(valid), strict=True):
                with torch.no_grad():
                    rows = self._rows(part, found)
                yield rows
            top += len(valid)

    def _rows(self, logits: torch.Tensor, valid: np.ndarray) -> Rows:
        """Convert logits ``(1, channels, rows, W)``."""
        predictor, maps = self.predictor, {}
        if predictor.thresholds or predictor.maps:
            p = class_logits(logits)[0].softmax(dim=0)
        if predictor.maps:
            maps = dict(probabilities=p, entropy=entropy_of(p[None])[0])
        if predictor.thresholds:
            labels = decide(p, predictor.thresholds)
        else:
            labels = predictor.rule.labels(logits)[0, 0]
        return Rows(
            labels.cpu().numpy().astype(predictor.label_type),
            valid,
            {name: values.float().cpu().numpy() for name, values in maps.items()},
        )


def predict_rasters(
    predictor: RasterPredictor,
    items: Sequence[Item],
    results: Results,
    *,
    polygons: bool = False,
    maps: MapResults | None = None,
) -> Predictions:
    """Predict rasters and write their results.

    Args:
        predictor: The model.
        items: The files.
        results: The output folder.
        polygons: Whether to write the regions of the classes to ``polygons/``.
        maps: Writes probabilities and uncertainty.

    Raises:
        OSError: If the results cannot be written.
    """
    predictions = Predictions()
    line = ProgressLine(len(items))
    with gdal():
        for item in items:
            try:
                raster = predictor.open(item.path)
            except (DataError, FileNotFoundError) as error:
                _fail(predictions, line, item, error)
                continue
            with raster:
                done = len(predictions.done) + len(predictions.failed)

                def show(window: int, windows: int, item=item, done=done) -> None:
                    line.show(done, item.path.name, 0, 1, window, windows)

                try:
                    preview, valid = _write(predictor, item, raster, results, maps, show)
                except REFUSALS as error:  # DataError is a ValueError
                    _fail(predictions, line, item, error)
                    continue
            if raster.grid.crs is None and not raster.gcps[0]:
                predictions.notes[NOWHERE].append(item.path)
            elif polygons:
                mask = results.folder / 'masks' / f'{item.name}.tif'
                file = results.folder / 'polygons' / f'{item.name}.geojson'
                try:
                    write_polygons(file, mask, classes=results.classes)
                except DataError as error:
                    predictions.notes[str(error)].append(item.path)
            values = torch.from_numpy(preview[valid])
            predictor.predictor.far += bool(len(values)) and predictor.predictor.is_far(
                dict(inputs=values)
            )
            predictions.done[item.path] = item.name, None
            predictions.slices += 1
            predictions.without_area += raster.pixel_area is None
    line.close()
    return predictions


def _write(
    predictor: RasterPredictor,
    item: Item,
    raster: Raster,
    results: Results,
    maps: MapResults | None,
    watch: Callable[[int, int], None],
) -> tuple[np.ndarray, np.ndarray]:
    """Write mask, maps, overlay and counts of a raster.

    Returns:
        The raster with fewer pixels ``(h, w, C)``, and which of them have data.
    """
    path = results.folder / 'masks' / f'{item.name}.tif'
    counts = np.zeros(len(results.classes), dtype=np.int64)
    step = math.ceil(max(raster.grid[:2]) / (LARGE * PANEL[1]))
    names = dict(classes=results.classes, palette=results.palette)
    writing = raster_maps(maps, item.path, item.name, raster) if maps else nullcontext()
    with raster_mask(path, raster, **names) as mask, writing as values:
        for rows in predictor.predict(raster, watch):
            mask.append(rows.labels, rows.valid)
            counts += np.bincount(rows.labels[rows.valid], minlength=len(counts))
            if values:
                values.append(rows.maps, rows.valid)
        preview, valid = raster.read(*raster.whole, step=step)
    with Raster(path, BandRule(fill=mask.nodata)) as written:
        drawn, _ = written.read(*written.whole, step=step)
    bgr, shown = predictor.eight_bit and preview.shape[2] == 3, _visible(preview, valid)
    results.draw(item.name, shown, drawn[..., 0], bgr=bgr)
    if maps and 'entropy' in maps.largest:
        with Raster(maps.folder / 'entropy' / f'{item.name}.tif', BandRule()) as written:
            stored, known = written.read(*written.whole, step=step)
        entropy = stored[..., 0] * (maps.largest['entropy'] / STEPS)
        maps.draw(item.name, shown, np.where(known, entropy, 0), bgr=bgr)
    area = raster.pixel_area
    square_mm = None if area is None else 1e6 * area
    results.count(item.path, f'masks/{item.name}.tif', 0, counts, (square_mm, None))
    return preview, valid


def _split(valid: np.ndarray) -> list[np.ndarray]:
    return [valid[top : top + ROWS] for top in range(0, len(valid), ROWS)]


def _visible(image: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Convert the first bands of an image ``(h, w, C)`` to 8 bits, without its extremes."""
    if image.dtype == np.uint8 or not valid.any():
        return image
    shown = image[..., :3]
    drawn = to_bytes(shown, percentile_window(shown[valid], percentiles=STRETCH))
    return np.where(valid[..., None], drawn, 0)


def _fail(predictions: Predictions, line: ProgressLine, item: Item, error: Exception) -> None:
    if isinstance(error, OSError):
        reason = f'{item.path} cannot be read: {error.strerror or error}'
    else:
        reason = str(error) if isinstance(error, DataError) else f'{item.path} {reason_of(error)}'
    predictions.failed[item.path] = reason
    line.note(f'skipped: {reason}')

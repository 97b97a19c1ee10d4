"""Measure the objects of a class, which are the connected regions of its pixels in a slice."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ...compat.libraries import optional_library
from ...errors import DataError
from ...io import counted
from .maps import check_classes, folder_of
from .results import append_rows
from .sources import FileContent
from .stacks import discard, new_maps, write_stack

TABLE, SUMMARY = 'objects.csv', 'objects_per_file.csv'
NEIGHBORS = np.ones((3, 3), dtype=bool)  # 8: regions that touch at a corner are one
LIMIT = np.iinfo(np.uint16).max
MEASURES = (
    'area_pixels',
    'area_mm2',
    'equivalent_diameter_pixels',
    'equivalent_diameter_mm',
    'centroid_row',
    'centroid_column',
    'first_row',
    'first_column',
    'last_row',
    'last_column',
    'eccentricity',
)


class ObjectRules(NamedTuple):
    """Choose the regions that count as objects.

    Attributes:
        min_size: Number of pixels that an object has at least.
        fill_holes: Whether holes in an object, which touch no border of the image, belong to it.
        keep_largest: Whether only the largest object of each slice counts.
    """

    min_size: int = 1
    fill_holes: bool = False
    keep_largest: bool = False

    def label(self, mask: np.ndarray) -> np.ndarray:
        """Number the objects of a mask (H, W) from 1 on, from the top; 0 is everything else."""
        if self.fill_holes:
            mask = ndimage.binary_fill_holes(mask)
        regions, count = ndimage.label(mask, NEIGHBORS)
        sizes = np.bincount(regions.ravel(), minlength=count + 1)
        kept = sizes >= self.min_size
        kept[0] = False
        if self.keep_largest and kept.any():
            kept &= np.arange(len(kept)) == np.argmax(np.where(kept, sizes, 0))
        numbers = np.cumsum(kept) * kept
        return numbers[regions]


class ObjectResults:
    """Write tables and label images of the objects of some classes to a folder.

    ``objects.csv`` has a row for each object, and ``objects_per_file.csv`` one for each file and
    class. The pixels of object n have the value n in ``objects/<class>/``. Rows, columns and the
    last row and column of an object count from 0. The equivalent diameter is that of a disk of the
    same area, and the eccentricity that of the ellipse with the same second moments, from 0 for a
    disk to 1 for a line.

    Args:
        folder: The output folder.
        classes: Names of all classes.
        names: The classes of the objects.
        rules: Which regions count.

    Raises:
        UsageError: If a class is unknown, or scikit-image is not installed.
    """

    def __init__(
        self, folder: Path, *, classes: Sequence[str], names: Sequence[str], rules: ObjectRules
    ) -> None:
        check_classes(names, classes)
        self.measure = optional_library(
            'skimage.measure', package='scikit-image', part='measuring objects'
        )
        self.folder = folder
        self.numbers = {name: list(classes).index(name) for name in names}
        self.rules = rules
        append_rows(self.folder / TABLE, [('file', 'slice', 'class', 'object', *MEASURES)])
        columns = ('objects', 'pixels', 'mean_pixels', 'median_pixels', 'area_mm2')
        append_rows(self.folder / SUMMARY, [('file', 'class', *columns)])

    def write(
        self, path: Path, name: str, content: FileContent, labels: Sequence[np.ndarray]
    ) -> None:
        """Write the objects of one file.

        Args:
            path: The file, for the tables.
            name: The name of its results.
            content: Its content.
            labels: The labels of its slices, (H, W).

        Raises:
            DataError: If a slice has more objects of a class than a label image can number. The
                other classes are written.
        """
        faults = []
        for kind in self.numbers:
            try:
                self._write_class(kind, path, name, content, labels)
            except DataError as error:
                faults.append(str(error))
        if faults:
            raise DataError('; '.join(faults))

    def _write_class(
        self, kind: str, path: Path, name: str, content: FileContent, labels: Sequence[np.ndarray]
    ) -> None:
        areas, table, text = [], [], f'objects of {kind}: 1, 2, ...'
        number = self.numbers[kind]
        base = self.folder / 'objects' / folder_of(number, kind) / name
        images = new_maps(base, content, text=text)
        for k, label_map in enumerate(labels):
            objects = self.rules.label(label_map == number)
            if objects.max() > LIMIT:
                discard(images)
                raise DataError(
                    f'slice {k} has {counted(int(objects.max()), "object")} of {kind}, but label '
                    f'images number at most {LIMIT}: set --min-size'
                )
            images.append(objects.astype(np.uint16))
            rows = list(self._rows(objects, content.pixel_area))
            areas += [row[0] for row in rows]
            table += [(path, k, kind, n, *row) for n, row in enumerate(rows, 1)]
        append_rows(self.folder / TABLE, table)
        total = sum(areas)
        area = f'{total * content.pixel_area:.10g}' if content.pixel_area else ''
        means = [f'{f(areas):.6g}' if areas else '' for f in (np.mean, np.median)]
        append_rows(self.folder / SUMMARY, [(path, kind, len(areas), total, *means, area)])
        write_stack(base, path, content, images, text=text)

    def _rows(self, objects: np.ndarray, pixel_area: float | None) -> Iterator[tuple]:
        """Measure numbered objects (H, W), as ``MEASURES`` lists."""
        for region in self.measure.regionprops(objects):
            area = int(region.area)
            diameter = math.sqrt(4 * area / math.pi)
            scale = math.sqrt(pixel_area) if pixel_area else None
            first_row, first_column, end_row, end_column = region.bbox
            yield (
                area,
                f'{area * pixel_area:.10g}' if pixel_area else '',
                f'{diameter:.6g}',
                f'{diameter * scale:.6g}' if scale else '',
                *(f'{value:.6g}' for value in region.centroid),
                first_row,
                first_column,
                end_row - 1,
                end_column - 1,
                f'{region.eccentricity:.6g}',
            )

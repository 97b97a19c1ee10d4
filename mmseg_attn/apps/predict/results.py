"""Write masks, overlays to look at, and a table."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from PIL import Image

from ...io import NiftiHeader, write_png
from ...visualization import SegComparisonVisualizer
from ...visualization.drawable import drawable
from .sources import Source

TABLE = 'pixels.csv'
COLUMNS = ('file', 'mask', 'slice', 'class', 'pixels', 'percent', 'area_mm2', 'volume_mm3')
LARGE = 2  # times the largest panel, from which on fewer pixels are drawn
PANEL = 320, 1024  # the least and most pixels of the longer side of a panel


class Results:
    """The folder of the results.

    Args:
        folder: An empty folder; gets ``masks/``, ``overlays/`` and ``pixels.csv``.
        classes: Names of the classes.
        palette: Colors of the classes.

    Attributes:
        pixels: Per class, of all files so far.
    """

    def __init__(
        self, folder: Path, *, classes: Sequence[str], palette: Sequence[Sequence[int]]
    ) -> None:
        self.folder = folder
        self.classes = classes
        self.pixels = np.zeros(len(classes), dtype=np.int64)
        self.visualizer = SegComparisonVisualizer(name=str(folder))
        self.visualizer.dataset_meta = dict(classes=classes, palette=palette)
        with (folder / TABLE).open('w', newline='', encoding='utf-8') as file:
            csv.writer(file).writerow(COLUMNS)

    def write(
        self,
        path: Path,
        name: str,
        source: Source,
        shown: Sequence[np.ndarray],
        labels: Sequence[np.ndarray],
        *,
        bgr: bool = True,
    ) -> None:
        """Write all of one file.

        Args:
            path: The file, for the table.
            name: What its results are called.
            source: What it holds.
            shown: Its slices as the model saw them, (H, W) or (H, W, C).
            labels: The labels of its slices, (H, W) and uint8 or uint16.
            bgr: Whether the first three channels are in BGR.
        """
        mask = self._write_mask(path, name, source, labels)
        several = len(labels) > 1
        digits = len(str(len(labels) - 1))
        with (self.folder / TABLE).open('a', newline='', encoding='utf-8') as file:
            table = csv.writer(file)
            for k, (image, found) in enumerate(zip(shown, labels, strict=True)):
                part = f'{name}_slices/{k:0{digits}d}' if several else name
                self._draw(self.folder / 'overlays' / f'{part}.png', image, found, bgr=bgr)
                counts = np.bincount(found.ravel(), minlength=len(self.classes))
                self.pixels += counts
                for label, pixels in zip(self.classes, counts.tolist(), strict=True):
                    percent = f'{100 * pixels / found.size:.4f}'
                    sizes = [
                        f'{pixels * each:.10g}' if each else ''
                        for each in (source.pixel_area, source.voxel_volume)
                    ]
                    table.writerow([path, mask, k, label, pixels, percent, *sizes])

    def _write_mask(
        self, path: Path, name: str, source: Source, labels: Sequence[np.ndarray]
    ) -> str:
        """NIfTI for NIfTI, a TIFF with as many pages for several pages, else a PNG."""
        if source.nifti is not None:
            ending = '.nii.gz' if path.name.lower().endswith('.gz') else '.nii'
        else:
            ending = '.tif' if len(labels) > 1 else '.png'
        mask = self.folder / 'masks' / f'{name}{ending}'
        mask.parent.mkdir(parents=True, exist_ok=True)
        if source.nifti is not None:
            _write_nifti(mask, source.nifti, labels)
        elif len(labels) > 1:
            first, *others = [Image.fromarray(each) for each in labels]
            first.save(mask, save_all=True, append_images=others, compression='tiff_adobe_deflate')
        else:
            write_png(mask, labels[0])
        return mask.relative_to(self.folder).as_posix()

    def _draw(self, path: Path, image: np.ndarray, labels: np.ndarray, *, bgr: bool) -> None:
        step = max(1, max(labels.shape) // (LARGE * PANEL[1]))
        image, labels = image[::step, ::step], labels[::step, ::step].astype(np.int32)
        sample = SegDataSample(pred_sem_seg=PixelData(data=torch.from_numpy(labels)[None]))
        self.visualizer.panel_size = min(max(*labels.shape, PANEL[0]), PANEL[1])
        self.visualizer.add_datasample(
            path.stem, drawable(image, bgr=bgr), sample, draw_gt=False, out_file=str(path)
        )


def _write_nifti(path: Path, source: NiftiHeader, labels: Sequence[np.ndarray]) -> None:
    """Write labels in the shape, place and units of the volume that they belong to."""
    import nibabel

    header = source.raw.copy()
    header.set_data_dtype(labels[0].dtype)
    header.set_slope_inter(1, 0)
    header['cal_min'] = header['cal_max'] = 0
    volume = np.stack(labels).T.reshape(source.shape)
    kind = nibabel.Nifti2Image if header['sizeof_hdr'] == 540 else nibabel.Nifti1Image
    nibabel.save(kind(volume, None, header), path)  # the header says where it lies

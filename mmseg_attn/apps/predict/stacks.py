"""Write one map per slice of a file, in a file of the same kind."""

import io
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from ...io import NiftiHeader
from ...io.hyperstack import write_hyperstack
from ...io.ome_zarr import ZarrMaps, ZarrSlices
from ...io.slices import ZARR
from .sources import FileContent


def new_maps(
    base: Path, content: FileContent, *, colors: Sequence[Sequence[int]] = (), text: str = ''
) -> list[np.ndarray] | ZarrMaps:
    """Return what takes the maps of the slices of a file before :func:`write_stack`.

    Args:
        base: The path of the result without ending.
        content: The content of the file.
        colors: Of label images, the color of each label, RGB.
        text: What the values mean.

    Returns:
        A list or, for a volume that is read by slices, what writes each map at once.
    """
    slices = content.slices
    if not isinstance(slices, ZarrSlices):
        return []
    metadata: dict = dict(name=text) if text else {}
    if colors:
        named = [
            {'label-value': number, 'rgba': [*map(int, color), 255]}
            for number, color in enumerate(colors)
        ]
        metadata['image-label'] = dict(version=slices.version, colors=named)
    path = base.with_name(base.name + ZARR)
    path.parent.mkdir(parents=True, exist_ok=True)
    return ZarrMaps(path, slices.axes, version=slices.version, metadata=metadata)


def discard(maps: Sequence[np.ndarray]) -> None:
    """Remove maps that were begun; only those of OME-Zarr are on disk before the last one."""
    if isinstance(maps, ZarrMaps):
        shutil.rmtree(maps.path, ignore_errors=True)


def write_stack(
    base: Path,
    source: Path,
    content: FileContent,
    maps: Sequence[np.ndarray],
    *,
    step: float = 1.0,
    text: str | None = None,
) -> Path:
    """Write NIfTI for NIfTI input, a TIFF stack for several slices, otherwise a PNG.

    Maps of OME-Zarr are written already. A TIFF stack keeps the axes and lengths of a file that
    names its axes.

    Args:
        base: The path without ending; its folder is created.
        source: The file that was predicted.
        content: Its content.
        maps: The maps of its slices, (H, W), uint8 or uint16.
        step: The value of a stored 1. In NIfTI it is the slope, which readers apply.
        text: What the values mean, for the metadata of PNG and TIFF.

    Returns:
        The path with its ending.
    """
    if isinstance(maps, ZarrMaps):
        return maps.path
    base.parent.mkdir(parents=True, exist_ok=True)
    if content.nifti is not None:
        ending = '.nii.gz' if source.name.lower().endswith('.gz') else '.nii'
        path = base.with_name(base.name + ending)
        _write_nifti(path, content.nifti, maps, step)
        return path
    if content.axes is not None:
        path = base.with_name(f'{base.name}.tif')
        write_hyperstack(path, maps, content.axes, text=text)
        return path
    first, *others = map(Image.fromarray, maps)
    if others:
        path = base.with_name(f'{base.name}.tif')
        described = {'description': text} if text else {}
        data = io.BytesIO()  # of a file, Pillow takes only a name in UTF-8
        first.save(
            data,
            format='TIFF',
            save_all=True,
            append_images=others,
            compression='tiff_adobe_deflate',
            **described,
        )
        path.write_bytes(data.getvalue())
        return path
    path = base.with_name(f'{base.name}.png')
    info = PngImagePlugin.PngInfo()
    if text:
        info.add_text('Description', text)
    first.save(path, format='PNG', pnginfo=info)
    return path


def _write_nifti(path: Path, nifti: NiftiHeader, maps: Sequence[np.ndarray], step: float) -> None:
    """Write maps with the shape, affine and units of their volume."""
    import nibabel

    header = nifti.raw.copy()
    header.set_data_dtype(maps[0].dtype)
    header.set_slope_inter(1, 0)
    header['cal_min'] = header['cal_max'] = 0
    volume = np.stack(maps).T.reshape(nifti.shape)
    kind = nibabel.Nifti2Image if header['sizeof_hdr'] == 540 else nibabel.Nifti1Image
    image = kind(volume, None, header)  # the header has the affine
    image.header.set_slope_inter(step, 0)
    nibabel.save(image, path)

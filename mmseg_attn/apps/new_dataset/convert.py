"""Decide which files a config can read as they are, and convert the others."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine.registry import init_default_scope
from PIL import Image

from ...errors import UnsupportedError
from ...io import Window, percentile_window, read_image, to_bytes
from ..cli import progress
from ..convert import Pair
from ..predict.loader import ConfigLoader
from .fingerprint import Dataset
from .pairing import mask_suffix, suffix
from .reading import PALETTE, Slice, read_image_slices, read_mask

WINDOW = (0.5, 99.5)  # percentiles


def has_bands(one: Slice) -> bool:
    """Return whether an image has other channels than gray or colors, which PNG cannot hold."""
    return one.channels not in (1, 3)


def image_loader(one: Slice) -> dict:
    """Choose the arguments of ``LoadImageFromFile`` that keep all channels and bits of images."""
    if has_bands(one):
        kept = {} if one.dtype == 'uint8' else {'to_float32': True}
        return {'imdecode_backend': 'tifffile', 'color_type': 'unchanged', **kept}
    if one.dtype == 'uint8':
        return {'color_type': 'grayscale' if one.channels == 1 else 'color'}
    return {'color_type': 'unchanged', 'to_float32': True}


def why_convert(slices: Sequence[Slice]) -> str:
    """Return why images have to be converted; an empty text if the config can read the files."""
    if any(one.medical for one in slices):
        return 'DICOM and NIfTI files are converted to PNG'
    if any(one.name != one.pair.name for one in slices):
        return 'stacks are cut into slices'
    suffixes = sorted({suffix(one.pair.image) for one in slices})
    if suffixes[1:]:
        return f'files of the types {", ".join(suffixes)} are converted to one type'
    init_default_scope('mmseg')
    loader = ConfigLoader(LoadImageFromFile(**image_loader(slices[0])))
    kinds = {(one.mode, one.bits, one.dtype): one.pair.image for one in slices}
    for path in kinds.values():
        image = read_image(path.read_bytes(), name=path, formats=None)
        try:
            loaded = loader.load(path, image)
        except UnsupportedError:  # such as separate planes of the bands
            loaded = None
        if loaded is None:
            return f'{path} needs a decoder that the config does not have'
    return ''


def mask_source(dataset: Dataset, converted: bool) -> tuple[Path, str] | None:
    """Return folder and suffix of the masks if the config can read them as they are."""
    slices, labels = dataset.slices, dataset.labels
    stored = {one.stored for one in slices}
    if converted or labels.changed or len(stored) > 1 or not all(one.direct for one in slices):
        return None
    return mask_suffix(dataset.files.pairs, dataset.files.root)


def windows(slices: Sequence[Slice], modality: str) -> dict[str, Window]:
    """Choose the values that become 0 and 255 in PNG images of more than 8 bits, by their names.

    CT values have a unit, so that all images share the percentiles of the labeled foreground. The
    values of other images differ from scan to scan: each file or series has its own percentiles.
    """
    deep = [one for one in slices if one.dtype != 'uint8' and not has_bands(one)]
    if modality == 'ct' and deep:
        foreground = np.concatenate([one.foreground for one in deep])
        if not foreground.size:
            foreground = np.concatenate([one.samples.ravel() for one in deep])
        window = percentile_window(foreground, percentiles=WINDOW)
        return {one.name: window for one in deep}
    groups: dict[str, list[Slice]] = {}
    for one in deep:
        groups.setdefault(one.series or one.pair.name, []).append(one)
    chosen = {}
    for group in groups.values():
        samples = np.concatenate([one.samples.ravel() for one in group])
        window = percentile_window(samples, percentiles=WINDOW)
        chosen |= {one.name: window for one in group}
    return chosen


def converted_suffix(one: Slice) -> str:
    """Return the suffix of converted images."""
    return '.tif' if has_bands(one) else '.png'


def write_images(slices: Sequence[Slice], folder: Path, chosen: dict[str, Window]) -> None:
    """Write all images as 8-bit PNG or as TIFF files, and measure them again."""
    for pair, parts in progress(by_pair(slices), 'converting image'):
        pixels, _ = read_image_slices(pair.image)
        for one in parts:
            image = np.ascontiguousarray(pixels[one.index])
            if one.name in chosen:
                image = to_bytes(image, chosen[one.name])
            if one.channels == 3 and image.ndim == 2:
                image = np.stack([image] * 3, axis=-1)
            file = folder / f'{one.name}{converted_suffix(one)}'
            file.parent.mkdir(parents=True, exist_ok=True)
            if has_bands(one):
                _write_bands(file, image)
            else:
                Image.fromarray(image).save(file)
            flat = image.reshape(-1, one.channels).astype(np.float64)
            one.mean, one.square = flat.mean(axis=0), np.square(flat).mean(axis=0)
            one.dtype = image.dtype.name


def _write_bands(file: Path, image: np.ndarray) -> None:
    import tifffile  # which reads these images

    tifffile.imwrite(file, image, photometric='minisblack', planarconfig='contig', metadata=None)


def write_masks(dataset: Dataset, folder: Path) -> None:
    """Write all masks as PNG files of class numbers."""
    for pair, parts in progress(by_pair(dataset.slices), 'writing mask'):
        mask = read_mask(pair.mask)
        for one in parts:
            file = folder / f'{one.name}.png'
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(dataset.labels.apply(mask, one.index)).save(file)


def by_pair(slices: Sequence[Slice]) -> list[tuple[Pair, list[Slice]]]:
    """Group slices by their files."""
    groups: dict[Pair, list[Slice]] = {}
    for one in slices:
        groups.setdefault(one.pair, []).append(one)
    return list(groups.items())


def has_palette(slices: Sequence[Slice]) -> bool:
    """Return whether the masks are indices of a palette."""
    return any(one.stored == PALETTE for one in slices)

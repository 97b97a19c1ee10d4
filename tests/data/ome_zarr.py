"""Write small OME-Zarr images by the specifications of NGFF and Zarr, without any library."""

import json
from itertools import product
from pathlib import Path

import numpy as np

TYPES = dict(t='time', c='channel')


def write(
    folder: Path,
    levels: list[np.ndarray],
    axes: str,
    *,
    scale: list[float],
    units: dict[str, str] | None = None,
    chunks: tuple[int, ...] | None = None,
    version: str = '0.4',
) -> Path:
    """Write an image.

    Args:
        folder: The folder, which is created.
        levels: The image in full resolution, then smaller ones.
        axes: Names of the axes, such as 'tczyx'.
        scale: The distances along the axes, in full resolution.
        units: Units by name of the axis.
        chunks: The shape of a chunk; by default that of a plane.
        version: 0.4, in Zarr version 2, or 0.5, in Zarr version 3.
    """
    datasets = []
    for number, pixels in enumerate(levels):
        factors = np.array(levels[0].shape) / pixels.shape
        transform = dict(type='scale', scale=(np.array(scale) * factors).tolist())
        datasets.append(dict(path=f's{number}', coordinateTransformations=[transform]))
        shape = chunks or (*[1] * (pixels.ndim - 2), *pixels.shape[-2:])
        write_array(folder / f's{number}', pixels, shape, version)
    image = dict(
        axes=[
            dict(name=name, type=TYPES.get(name, 'space'))
            | (dict(unit=units[name]) if units and name in units else {})
            for name in axes
        ],
        datasets=datasets,
    )
    if version == '0.4':
        write_json(folder / '.zgroup', dict(zarr_format=2))
        write_json(folder / '.zattrs', dict(multiscales=[dict(image, version=version)]))
    else:
        ome = dict(version=version, multiscales=[image])
        write_json(
            folder / 'zarr.json', dict(zarr_format=3, node_type='group', attributes=dict(ome=ome))
        )
    return folder


def write_array(folder: Path, pixels: np.ndarray, chunks: tuple[int, ...], version: str) -> None:
    """Write an array without compression; chunks at the border are filled up with zeros."""
    if version == '0.4':
        header = dict(
            zarr_format=2,
            shape=pixels.shape,
            chunks=chunks,
            dtype=pixels.dtype.str,
            compressor=None,
            fill_value=0,
            order='C',
            filters=None,
            dimension_separator='/',
        )
        write_json(folder / '.zarray', header)
    else:
        header = dict(
            zarr_format=3,
            node_type='array',
            shape=pixels.shape,
            data_type=pixels.dtype.name,
            chunk_grid=dict(name='regular', configuration=dict(chunk_shape=chunks)),
            chunk_key_encoding=dict(name='default', configuration=dict(separator='/')),
            fill_value=0,
            codecs=[dict(name='bytes', configuration=dict(endian='little'))],
            attributes={},
        )
        write_json(folder / 'zarr.json', header)
    counts = [-(-side // chunk) for side, chunk in zip(pixels.shape, chunks, strict=True)]
    for place in product(*map(range, counts)):
        block = np.zeros(chunks, pixels.dtype)
        part = pixels[tuple(slice(i * n, (i + 1) * n) for i, n in zip(place, chunks, strict=True))]
        block[tuple(map(slice, part.shape))] = part
        file = folder.joinpath(*(['c'] if version != '0.4' else []), *map(str, place))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(block.tobytes())


def write_json(file: Path, content: dict) -> None:
    """Write a file of metadata."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))

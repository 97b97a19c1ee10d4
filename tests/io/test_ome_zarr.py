"""Images that were written by the specifications of NGFF and Zarr, without zarr."""

import json

import numpy as np
import pytest

from mmseg_attn.errors import DataError, UnsupportedError
from mmseg_attn.io.axes import StackAxes
from mmseg_attn.io.ome_zarr import ZarrMaps, ZarrSlices, is_zarr
from mmseg_attn.io.spacing import Length
from tests.data import ome_zarr
from tests.libraries import needs_zarr

PIXELS = np.random.default_rng(0).integers(0, 9999, (2, 3, 5, 12, 9)).astype('u2')  # tczyx
SCALE = [30.0, 1.0, 2.0, 0.5, 0.25]
UNITS = dict(t='second', z='micrometer', y='micrometer', x='micrometer')


def write(folder, pixels=PIXELS, axes='tczyx', **options):
    options = dict(units=UNITS, scale=SCALE[-len(axes) :]) | options
    small = pixels[..., ::2, ::2].copy()
    return ome_zarr.write(folder, [pixels, small], axes, **options)


@needs_zarr
@pytest.mark.parametrize('version', ['0.4', '0.5'])
@pytest.mark.parametrize('chunks', [None, (1, 2, 4, 5, 9), (2, 3, 5, 12, 9)])
def test_slices_of_the_full_resolution(tmp_path, version, chunks):
    slices = ZarrSlices(write(tmp_path / 'x.zarr', version=version, chunks=chunks))
    assert (slices.axes.names, slices.axes.shape, slices.axes.kind) == ('TZ', (2, 5), 'zarr')
    assert (len(slices), slices.dtype, slices.channels) == (10, np.uint16, 3)
    assert slices.version == version
    assert slices.depth == (chunks[2] if chunks else 1)
    for k in (9, 0, 4, 5, 3, 4):  # also backwards, and across chunks
        np.testing.assert_array_equal(slices[k], PIXELS[k // 5, :, k % 5].transpose(1, 2, 0))
    np.testing.assert_array_equal([*slices][7], PIXELS[1, :, 2].transpose(1, 2, 0))
    assert slices.axes.lengths['T'] == Length(30, 'second')
    assert slices.axes.pixel_area == pytest.approx(0.5e-3 * 0.25e-3)
    assert slices.axes.voxel_volume == pytest.approx(0.5e-3 * 0.25e-3 * 2e-3)


@needs_zarr
def test_channels_are_chosen(tmp_path):
    path = write(tmp_path / 'x.zarr')
    np.testing.assert_array_equal(ZarrSlices(path, channels=[2])[6], PIXELS[1, 2, 1])
    chosen = ZarrSlices(path, channels=[2, 0])[6]
    np.testing.assert_array_equal(chosen, PIXELS[1, [2, 0], 1].transpose(1, 2, 0))
    with pytest.raises(UnsupportedError, match=r'x\.zarr has the channels 0 to 2, but --channels'):
        ZarrSlices(path, channels=[3])


@needs_zarr
def test_an_image_has_one_slice(tmp_path):
    (image,) = ZarrSlices(write(tmp_path / 'a.zarr', PIXELS[0, 0, 0], 'yx'))
    np.testing.assert_array_equal(image, PIXELS[0, 0, 0])
    (image,) = ZarrSlices(write(tmp_path / 'b.zarr', PIXELS[0, :, 0], 'cyx'))
    np.testing.assert_array_equal(image, PIXELS[0, :, 0].transpose(1, 2, 0))
    slices = ZarrSlices(write(tmp_path / 'c.zarr', PIXELS[:1, :1], 'tczyx'))
    assert len(slices) == 5
    np.testing.assert_array_equal(slices[3], PIXELS[0, 0, 3])


@needs_zarr
def test_letters_replace_the_axes(tmp_path):
    path = write(tmp_path / 'x.zarr', PIXELS[0], 'czyx')
    slices = ZarrSlices(path, axes='ZCYX')
    assert (len(slices), slices.channels) == (3, 5)
    np.testing.assert_array_equal(slices[1], PIXELS[0, 1].transpose(1, 2, 0))
    with pytest.raises(UnsupportedError, match=r'has the shape 3x5x12x9 \(CZYX\), but --axes is'):
        ZarrSlices(path, axes='ZYX')
    # an array without metadata needs them
    with pytest.raises(UnsupportedError, match=r's0 is a Zarr array without the metadata of OME'):
        ZarrSlices(path / 's0')
    np.testing.assert_array_equal(
        ZarrSlices(path / 's0', axes='CZYX')[4], PIXELS[0, :, 4].transpose(1, 2, 0)
    )


@needs_zarr
@pytest.mark.parametrize('kind', ['>u2', 'f4', 'f2', 'i2', '?'])
def test_types(tmp_path, kind):
    values = (PIXELS[0, 0] % 2).astype(kind)
    slices = ZarrSlices(write(tmp_path / 'x.zarr', values, 'zyx'))
    factor = 255 if kind == '?' else 1
    np.testing.assert_array_equal(slices[2], factor * (PIXELS[0, 0, 2] % 2))
    assert slices[2].dtype.isnative
    assert slices[2].dtype == {'>u2': 'u2', 'f2': 'f4', '?': 'u1'}.get(kind, kind)


@needs_zarr
def test_a_sample_is_of_all_slices(tmp_path, monkeypatch):
    slices = ZarrSlices(write(tmp_path / 'x.zarr', PIXELS[0, 0], 'zyx'))
    np.testing.assert_array_equal(slices.sample(), PIXELS[0, 0].ravel())
    monkeypatch.setattr('mmseg_attn.io.ome_zarr.SAMPLE', 5 * 36)
    parts = slices.sample().reshape(5, 36)
    assert all(
        {*part} <= {*pixels.ravel()} for part, pixels in zip(parts, PIXELS[0, 0], strict=True)
    )


def change(path, **changes):
    file = path / '.zattrs'
    content = json.loads(file.read_text())
    content['multiscales'][0] |= changes
    file.write_text(json.dumps(content))


@needs_zarr
@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (lambda path: (path / '.zgroup').unlink(), r'x\.zarr is truncated or damaged'),
        (lambda path: (path / '.zattrs').unlink(), r'x\.zarr is a Zarr group without multiscales'),
        (
            lambda path: (path / '.zattrs').write_text('{"plate": {}}'),
            'It is a plate: name the images in it',
        ),
        (lambda path: change(path, datasets=[dict(path='s9')]), r'x\.zarr is truncated or damaged'),
        (lambda path: change(path, axes=['v', *'czyx']), r'has the axes VCZYX and the shape 2x3x5'),
        (lambda path: change(path, axes=[*'zyx']), r'has the axes ZYX and the shape 2x3x5x12x9'),
        (
            lambda path: (path / 's0/0/0/0/0/0').write_bytes(b'short'),
            r'x\.zarr is truncated or damaged',
        ),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, spoil, message):
    path = write(tmp_path / 'x.zarr')
    spoil(path)
    with pytest.raises(DataError, match=message) as caught:
        [*ZarrSlices(path)]
    assert '\n' not in str(caught.value)


@needs_zarr
def test_values_that_are_not_finite_are_refused(tmp_path):
    values = PIXELS[0, 0].astype('f4')
    values[3, 2, 1] = np.nan
    slices = ZarrSlices(write(tmp_path / 'x.zarr', values, 'zyx'))
    assert slices[2].shape == (12, 9)
    with pytest.raises(DataError, match=r'x\.zarr contains values that are not finite'):
        slices[3]


LENGTHS = dict(T=Length(30, 'second'), Z=Length(2, 'micrometer'), X=Length(0.25, 'micrometer'))


@needs_zarr
@pytest.mark.parametrize('version', ['0.4', '0.5'])
def test_maps_are_written_slice_by_slice(tmp_path, version):
    axes = StackAxes('TZ', (2, 3), 'zarr', LENGTHS)
    label = {'image-label': dict(version=version)}
    maps = ZarrMaps(tmp_path / 'm.zarr', axes, version=version, metadata=label)
    planes = np.random.default_rng(1).integers(0, 9, (6, 12, 9), 'u1')
    for k, plane in enumerate(planes):
        maps.append(plane)
        np.testing.assert_array_equal(maps[k], plane)
    assert len(maps) == 6
    np.testing.assert_array_equal([*maps], planes)
    # the metadata as the specification has them
    if version == '0.4':
        content = json.loads((tmp_path / 'm.zarr/.zattrs').read_text())
        header = json.loads((tmp_path / 'm.zarr/0/.zarray').read_text())
        assert (header['dimension_separator'], header['dtype']) == ('/', '|u1')
        assert content['multiscales'][0]['version'] == '0.4'
    else:
        content = json.loads((tmp_path / 'm.zarr/zarr.json').read_text())['attributes']['ome']
        header = json.loads((tmp_path / 'm.zarr/0/zarr.json').read_text())
        assert (header['data_type'], header['dimension_names']) == ('uint8', [*'tzyx'])
        assert content['version'] == '0.5'
    assert header['shape'] == [2, 3, 12, 9]
    assert content['image-label'] == dict(version=version)
    (image,) = content['multiscales']
    assert image['axes'] == [
        dict(name='t', type='time', unit='second'),
        dict(name='z', type='space', unit='micrometer'),
        dict(name='y', type='space'),
        dict(name='x', type='space', unit='micrometer'),
    ]
    (dataset,) = image['datasets']
    assert dataset['coordinateTransformations'] == [dict(type='scale', scale=[30, 2, 1, 0.25])]
    # and as our reader takes them
    slices = ZarrSlices(tmp_path / 'm.zarr')
    assert slices.axes.shape == (2, 3)
    assert slices.axes.lengths['Z'] == Length(2, 'micrometer')
    np.testing.assert_array_equal([*slices], planes)


@needs_zarr
def test_the_map_of_an_image(tmp_path):
    maps = ZarrMaps(
        tmp_path / 'm.zarr', StackAxes('', (), 'zarr'), version='0.4', metadata=dict(name='x')
    )
    maps.append(np.full((12, 9), 300, 'u2'))
    np.testing.assert_array_equal(maps[0], np.full((12, 9), 300))
    (image,) = ZarrSlices(tmp_path / 'm.zarr')
    np.testing.assert_array_equal(image, maps[0])


def test_a_store_is_a_folder(tmp_path):
    (tmp_path / 'a.ome.ZARR').mkdir()
    (tmp_path / 'b.zarr').write_bytes(b'')
    assert is_zarr(tmp_path / 'a.ome.ZARR')
    assert not is_zarr(tmp_path / 'b.zarr')


def test_without_zarr_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'zarr', None)
    with pytest.raises(UnsupportedError, match=r'pip install "zarr>=3" .* mmseg_attn\[zarr\]'):
        ZarrSlices(write(tmp_path / 'x.zarr'))


@needs_zarr
@pytest.mark.parametrize('version', ['0.4', '0.5'])
def test_a_mask_lies_where_its_image_does(tmp_path, version):
    path = write(tmp_path / 'x.zarr', PIXELS[0, 0], 'zyx', version=version)
    file = path / ('.zattrs' if version == '0.4' else 'zarr.json')
    content = json.loads(file.read_text())
    image = (content if version == '0.4' else content['attributes']['ome'])['multiscales'][0]
    image['datasets'][0]['coordinateTransformations'].append(
        dict(type='translation', translation=[100.0, 20.0, 10.0])
    )
    image['coordinateTransformations'] = [dict(type='scale', scale=[2.0, 1.0, 1.0])]
    file.write_text(json.dumps(content))
    slices = ZarrSlices(path)
    lengths = {'Z': (4.0, 200.0), 'Y': (0.5, 20.0), 'X': (0.25, 10.0)}
    assert {k: (v.value, v.offset) for k, v in slices.axes.lengths.items()} == lengths
    maps = ZarrMaps(tmp_path / 'm.zarr', slices.axes, version=version, metadata={})
    maps.append(np.zeros((12, 9), 'u1'))
    assert ZarrSlices(tmp_path / 'm.zarr').axes.lengths == slices.axes.lengths


@needs_zarr
def test_old_metadata_without_axes(tmp_path):
    path = write(tmp_path / 'x.zarr')
    content = json.loads((path / '.zattrs').read_text())
    del content['multiscales'][0]['axes']
    (path / '.zattrs').write_text(json.dumps(content))
    with pytest.raises(UnsupportedError, match=r'has the axes \(none\) and .* --axes, such as TCZ'):
        ZarrSlices(path)
    assert len(ZarrSlices(path, axes='TCZYX')) == 10


def test_an_image_in_a_group_needs_no_suffix(tmp_path):
    image, nested = dict(multiscales=[]), dict(attributes=dict(ome=dict(multiscales=[])))
    for number, (name, content, expected) in enumerate(
        (
            ('.zattrs', image, True),
            ('.zarray', {}, True),
            ('zarr.json', nested, True),
            ('zarr.json', dict(node_type='array'), True),
            ('zarr.json', dict(node_type='group', attributes={}), False),  # a collection
            ('.zgroup', {}, False),
            ('zarr.json', [], False),
        )
    ):
        (tmp_path / str(number)).mkdir()
        assert not is_zarr(tmp_path / str(number))
        (tmp_path / str(number) / name).write_text(json.dumps(content))
        assert is_zarr(tmp_path / str(number)) == expected

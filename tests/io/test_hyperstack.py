"""Stacks as ImageJ, OME and tifffile write them, and the masks of their slices."""

import io

import numpy as np
import pytest

from mmseg_attn.errors import DamagedError, TooLargeError, UnsupportedError
from mmseg_attn.io.axes import StackAxes
from mmseg_attn.io.hyperstack import read_hyperstack, write_hyperstack
from mmseg_attn.io.spacing import Length, tiff_sizes

tifffile = pytest.importorskip('tifffile', reason='needs tifffile: install mmseg_attn[medical]')

PIXELS = np.random.default_rng(0).integers(0, 999, (2, 3, 4, 8, 9)).astype('u2')  # t, z, c, y, x


def written(pixels, axes, *, photometric='minisblack', **options):
    file = io.BytesIO()
    metadata = options.pop('metadata', {})
    if axes:
        metadata = metadata | dict(axes=axes)
    tifffile.imwrite(file, pixels, photometric=photometric, metadata=metadata, **options)
    return file.getvalue()


def read(data, axes=None):
    return read_hyperstack(data, name='a.tif', axes=axes)


@pytest.mark.parametrize('options', [dict(imagej=True), dict(ome=True), {}], ids=str)
def test_channels_belong_to_slices_which_follow_z_within_t(options):
    stack, images = read(written(PIXELS, 'TZCYX', **options))
    assert (stack.names, stack.shape) == ('TZ', (2, 3))
    assert stack.kind == ('imagej' if 'imagej' in options else 'ome')
    assert len(images) == 6
    for k, image in enumerate(images):
        expected = np.stack([PIXELS[k // 3, k % 3, c] for c in range(4)], axis=-1)
        np.testing.assert_array_equal(image.visible('a.tif'), expected)
        assert image.bands == 4


def test_other_orders_of_ome_are_those_of_the_file():
    stack, images = read(written(PIXELS.transpose(2, 1, 0, 3, 4), 'CZTYX', ome=True))
    assert (stack.names, stack.shape) == ('ZT', (3, 2))
    expected = np.stack([PIXELS[1, 2, c] for c in range(4)], axis=-1)  # z 2, t 1
    np.testing.assert_array_equal(images[5].visible('a.tif'), expected)


def test_the_full_resolution_of_a_pyramid():
    file = io.BytesIO()
    planes = PIXELS[0, 0]
    with tifffile.TiffWriter(file, ome=True) as writer:
        kind = dict(photometric='minisblack')
        writer.write(planes, subifds=1, metadata=dict(axes='CYX'), **kind)
        writer.write(planes[:, ::2, ::2], subfiletype=1, **kind)
    stack, (image,) = read(file.getvalue())
    assert stack is None
    np.testing.assert_array_equal(image.visible('a.tif'), planes.transpose(1, 2, 0))


def test_slices_without_channels_are_left_to_the_reader_of_pages():
    stack, images = read(written(PIXELS[0, :, 0], 'ZYX', imagej=True))
    assert ((stack.names, stack.shape), images) == (('Z', (3,)), None)
    colors = np.zeros((3, 8, 9, 3), 'u1')
    stack, images = read(written(colors, 'ZYXS', photometric='rgb', imagej=True))
    assert ((stack.names, stack.shape), images) == (('Z', (3,)), None)


@pytest.mark.parametrize(
    'data',
    [
        written(PIXELS[0, :, 0], None),
        written(PIXELS[0, 0, 0], None),
        written(PIXELS[0, 0].transpose(1, 2, 0), None, planarconfig='contig'),
        b'II*\0 is no TIFF',
    ],
)
def test_files_that_name_no_axes(data):
    assert read(data) == (None, None)


@pytest.mark.parametrize(
    ('axes', 'names', 'shape'), [('CYX', None, ()), ('ZYX', 'Z', (3,)), ('tyx', 'T', (3,))]
)
def test_letters_say_what_pages_are(axes, names, shape):
    stack, images = read(written(PIXELS[0, :, 0], None), axes)
    assert (stack and (stack.names, stack.shape, stack.kind)) == (names and (names, shape, 'ome'))
    pages = PIXELS[0, :, 0]
    if axes == 'CYX':
        np.testing.assert_array_equal(images[0].pixels, pages.transpose(1, 2, 0))
        assert len(images) == 1
    else:
        np.testing.assert_array_equal([image.pixels for image in images], pages)


def test_letters_replace_those_of_the_file():
    stack, images = read(written(PIXELS[0], 'ZCYX', imagej=True), 'CZYX')
    assert (stack.names, stack.shape, stack.kind) == ('Z', (4,), 'imagej')
    np.testing.assert_array_equal(images[3].pixels, PIXELS[0, :, 3].transpose(1, 2, 0))


def test_letters_on_the_bands_of_an_image():
    bands = PIXELS[0, 0].transpose(1, 2, 0).copy()
    data = written(bands, None, planarconfig='contig')
    stack, images = read(data, 'YXZ')
    assert (stack.names, stack.shape) == ('Z', (4,))
    np.testing.assert_array_equal([image.pixels for image in images], PIXELS[0, 0])


@pytest.mark.parametrize(
    ('make', 'axes', 'message'),
    [
        (
            lambda: written(PIXELS[0], 'ZCYX', imagej=True),
            'ZYX',
            r'a\.tif has the shape 3x4x8x9 \(ZCYX\), but --axes is ZYX: name 4 letters',
        ),
        (
            lambda: written(np.zeros((2, 2, 8, 9, 3), 'u1'), 'ZCYXS', photometric='rgb', ome=True),
            None,
            r'a\.tif has the axes ZCYXS, so that each channel has several samples',
        ),
        (
            lambda: written(
                np.zeros((2, 8, 9), 'u1'),
                None,
                photometric='palette',
                colormap=np.zeros((3, 256), 'u2'),
            ),
            'CYX',
            r'a\.tif has channels in palette colors: save them in gray',
        ),
    ],
)
def test_what_is_refused(make, axes, message):
    with pytest.raises(UnsupportedError, match=message):
        read(make(), axes)


def test_letters_need_one_stack():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for page in (PIXELS[0, 0, 0], PIXELS[0, 0, 0, :5]):
            writer.write(page, metadata=None)
    with pytest.raises(UnsupportedError, match='contains 2 images of different shapes, to which'):
        read(file.getvalue(), 'ZYX')


def test_large_and_damaged_stacks(monkeypatch):
    data = written(PIXELS, 'TZCYX', ome=True, compression='zlib')
    for length in (len(data) - 1, len(data) // 2, 400):
        for axes in (None, 'TZCYX'):
            with pytest.raises(DamagedError, match=r'a\.tif is .* its description is missing'):
                read(data[:length], axes)
    changed = bytearray(data)  # the description is there, but the first strip is not
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        at = file.pages[0].tags['StripOffsets'].valueoffset
    changed[at : at + 4] = len(data).to_bytes(4, 'little')
    with pytest.raises(DamagedError, match=r'a\.tif is truncated or damaged'):
        read(bytes(changed))
    monkeypatch.setenv('MMSEG_ATTN_MAX_IMAGE_GIB', str((PIXELS.nbytes - 1) / 2**30))
    with pytest.raises(TooLargeError, match=r'a\.tif has 2x3x4x8x9 pixels'):
        read(data)


LENGTHS = dict(X=Length(0.5, 'µm'), Y=Length(0.25, 'µm'), Z=Length(2, 'µm'), T=Length(30, 's'))


@pytest.mark.parametrize('kind', ['imagej', 'ome'])
@pytest.mark.parametrize('names', ['Z', 'T', 'TZ', 'ZT'])
def test_masks_keep_axes_and_lengths(tmp_path, kind, names):
    if (kind, names) == ('imagej', 'ZT'):
        return  # ImageJ has one order
    shape = dict(Z=3, T=2)
    axes = StackAxes(names, tuple(shape[axis] for axis in names), kind, LENGTHS)
    maps = [np.full((8, 9), k, 'u1') for k in range(axes.count)]
    write_hyperstack(tmp_path / 'a.tif', maps, axes, text='labels')
    with tifffile.TiffFile(tmp_path / 'a.tif') as file:
        series = file.series[0]
        assert (series.kind, series.axes, series.shape) == (kind, f'{names}YX', (*axes.shape, 8, 9))
        np.testing.assert_array_equal(series.asarray().reshape(-1, 8, 9), maps)
        assert file.is_imagej is (kind == 'imagej')
        assert 'labels' in str(file.imagej_metadata if kind == 'imagej' else file.ome_metadata)
    data = (tmp_path / 'a.tif').read_bytes()
    write_hyperstack(tmp_path / 'b.tif', maps, axes, text='labels')
    assert (tmp_path / 'b.tif').read_bytes() == data  # so that a repeated run changes nothing
    lengths = tiff_sizes(data)
    assert set(lengths) == {*'XYZT'}
    for axis, (value, unit, _) in LENGTHS.items():
        assert lengths[axis].value == pytest.approx(value)
        assert lengths[axis].unit == unit
    stack, images = read(data)
    assert ((stack.names, stack.shape, stack.kind), images) == ((names, axes.shape, kind), None)


def test_lengths_of_a_file_that_imagej_wrote():
    """The description and the tags as the documentation of ImageJ's file format has them."""
    metadata = dict(spacing=2.5, unit='\\u00B5m', finterval=30.0)
    data = written(PIXELS, 'TZCYX', imagej=True, metadata=metadata, resolution=(4, 8))
    lengths = tiff_sizes(data)
    assert lengths == dict(
        X=Length(0.25, 'µm'), Y=Length(0.125, 'µm'), Z=Length(2.5, 'µm'), T=Length(30, 's')
    )
    assert read(data).axes.voxel_volume == pytest.approx(0.25 * 0.125 * 2.5 * 1e-9)


def test_units_have_the_names_of_ome(tmp_path):
    axes = StackAxes('Z', (2,), 'ome', dict(Z=Length(2, 'micron'), X=Length(5, 'nm')))
    write_hyperstack(tmp_path / 'a.tif', [np.zeros((8, 9), 'u1')] * 2, axes)
    lengths = tiff_sizes((tmp_path / 'a.tif').read_bytes())
    assert lengths == dict(Z=Length(2, 'µm'), X=Length(5, 'nm'))


@pytest.mark.parametrize('bigtiff', [False, True])
def test_a_short_description_lies_in_its_tag(bigtiff):
    data = written(PIXELS[0, 0, 0], None, description='ab', bigtiff=bigtiff)
    assert read(data) == (None, None)


def test_lengths_of_ome():
    metadata = dict(PhysicalSizeX=100, PhysicalSizeXUnit='nm', PhysicalSizeY=0.2, PhysicalSizeZ=1)
    data = written(PIXELS[0], 'ZCYX', ome=True, metadata=metadata)
    lengths = tiff_sizes(data)
    assert lengths == dict(X=Length(100, 'nm'), Y=Length(0.2, 'µm'), Z=Length(1, 'µm'))


@pytest.mark.usefixtures('no_libraries')
def test_without_tifffile_no_axes_are_known():
    data = written(PIXELS[0], 'ZCYX', ome=True)
    assert read(data) == (None, None)
    with pytest.raises(UnsupportedError, match=r'needs tifffile: .* mmseg_attn\[medical\]'):
        read(data, 'ZCYX')

"""Files that tifffile wrote, against what was written and against ``tifffile.imread``."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from mmseg_attn.errors import DamagedError, TooLargeError, UnsupportedError
from mmseg_attn.io import decode_image, read_images

tifffile = pytest.importorskip('tifffile', reason='needs tifffile: install mmseg_attn[medical]')

Y, X = np.mgrid[:24, :32]
GRAY = ((np.sin(X / 5) + np.cos(Y / 4) + 2) / 4 * 255).astype(np.uint8)
STACK = np.stack([GRAY // (k + 1) for k in range(6)])
RGB = np.dstack([GRAY, GRAY[::-1], GRAY[:, ::-1]])
BANDS = np.dstack([np.roll(GRAY, k, 1) for k in range(8)])


def made(*pages: tuple[np.ndarray, dict], **options) -> bytes:
    """A file with a page, or several of one shape, for each array and its options."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file, **options) as writer:
        for pixels, settings in pages:
            writer.write(pixels, **settings)
    return file.getvalue()


def one(pixels: np.ndarray, **settings) -> bytes:
    return made((pixels, settings))


def stack(axes: str, pixels: np.ndarray = STACK, **options) -> bytes:
    return made((pixels, dict(metadata=dict(axes=axes), photometric='minisblack')), **options)


def compressed(kind: str) -> bytes:
    pytest.importorskip('imagecodecs', reason='needs imagecodecs')
    return one(GRAY, compression=kind)


PLAIN = dict(metadata=None)
SMALL = dict(subfiletype=1)
MASK = dict(photometric='mask', subfiletype=4)
SHADOW = GRAY > 99


@pytest.mark.parametrize(
    ('make', 'slices'),
    [
        (lambda: one(GRAY), [GRAY]),
        (lambda: one(GRAY[..., None]), [GRAY]),
        (lambda: made((GRAY, {}), bigtiff=True), [GRAY]),
        (lambda: made((GRAY, {}), byteorder='>'), [GRAY]),
        (lambda: one(GRAY, tile=(16, 16)), [GRAY]),
        (lambda: one(GRAY, rowsperstrip=5, compression='zlib', predictor=True), [GRAY]),
        # stacks in one directory, as ImageJ and tifffile write them
        (
            lambda: made((STACK, dict(metadata=dict(axes='ZYX'), contiguous=True)), imagej=True),
            STACK,
        ),
        (lambda: one(STACK, photometric='minisblack', metadata=dict(axes='ZYX')), STACK),
        # stacks of directories
        (lambda: stack('ZYX', imagej=True), STACK),
        (lambda: stack('TYX', ome=True), STACK),
        (lambda: stack('TZYX', STACK.reshape(2, 3, 24, 32), ome=True), STACK),
        (lambda: made((STACK, dict(photometric='minisblack', **PLAIN))), STACK),
        (lambda: made((np.stack([RGB] * 2), dict(photometric='rgb'))), [RGB, RGB]),
        # pages of several sizes, in the order of the file
        (
            lambda: made((GRAY, PLAIN), (GRAY[:9], PLAIN), (STACK[1], PLAIN)),
            [GRAY, GRAY[:9], STACK[1]],
        ),
        (lambda: made((GRAY, {}), (GRAY[:9], {}), (STACK[1], {})), [GRAY, GRAY[:9], STACK[1]]),
        # overviews, pyramids and transparency masks
        (lambda: made((GRAY, {}), (GRAY[::2, ::2], SMALL), (GRAY[::4, ::4], SMALL)), [GRAY]),
        (
            lambda: made(
                (GRAY, PLAIN), (GRAY[::2, ::2], SMALL | PLAIN), (GRAY[::4, ::4], SMALL | PLAIN)
            ),
            [GRAY],
        ),
        (lambda: made((GRAY, dict(subifds=1)), (GRAY[::2, ::2], SMALL)), [GRAY]),
        # a description that looks like that of a stack, and a preview of the same size
        (lambda: made((GRAY, dict(PLAIN, description='ImageJ=no')), (GRAY, SMALL | PLAIN)), [GRAY]),
        (lambda: made((GRAY, dict(subifds=1)), (GRAY[::2, ::2], SMALL), ome=True), [GRAY]),
        (lambda: made((RGB, dict(photometric='rgb')), (SHADOW, MASK)), [RGB]),
        (lambda: made((GRAY, PLAIN), (SHADOW, MASK | PLAIN)), [GRAY]),
        (
            lambda: made((GRAY, PLAIN), (STACK[1], SMALL | PLAIN), (STACK[2], PLAIN)),
            [GRAY, STACK[2]],
        ),
        # a description that is not what its beginning promises
        *(
            (
                lambda text=text: made(
                    (GRAY.astype('i2'), dict(description=text, **PLAIN)), (SHADOW, MASK | PLAIN)
                ),
                [GRAY.astype('i2')],
            )
            for text in ('ImageJ=no', '<OME>no', '{"shape": "round"}', 'Größe'.encode())
        ),
        # bands, in both planar configurations
        (lambda: one(BANDS, photometric='minisblack', planarconfig='contig'), [BANDS]),
        (
            lambda: one(
                np.moveaxis(BANDS[..., :4], 2, 0),
                photometric='minisblack',
                planarconfig='separate',
                compression='zlib',
            ),
            [BANDS[..., :4]],
        ),
        (lambda: one(np.moveaxis(RGB, 2, 0), photometric='rgb', planarconfig='separate'), [RGB]),
        (lambda: one(RGB.astype('u2') * 16, photometric='rgb'), [RGB.astype('u2') * 16]),
        # sample formats
        *(
            (lambda kind=kind: one(GRAY.astype(kind)), [GRAY.astype(kind)])
            for kind in ('i1', 'i2', 'i4', 'u2', 'u4', 'f4', 'f8')
        ),
        (lambda: one(GRAY.astype('f2')), [GRAY.astype('f4')]),
        (lambda: made((GRAY.astype('u2'), {}), byteorder='>'), [GRAY.astype('u2')]),
        (lambda: one(SHADOW, photometric='minisblack'), [255 * SHADOW.astype('u1')]),
        # photometric interpretations
        (lambda: one(GRAY, photometric='miniswhite'), [255 - GRAY]),
        (lambda: one(SHADOW, photometric='miniswhite'), [255 * (~SHADOW).astype('u1')]),
        (lambda: compressed('jpeg2000'), [GRAY]),
        (lambda: compressed('zstd'), [GRAY]),
        (lambda: compressed('lzw'), [GRAY]),
    ],
)
def test_slices_are_what_was_written(make, slices):
    images = read_images(make(), name='a.tif')
    assert len(images) == len(slices)
    for image, expected in zip(images, slices, strict=True):
        visible = image.visible('a.tif')
        assert visible.dtype == expected.dtype.newbyteorder('=')
        np.testing.assert_array_equal(visible, expected)


def test_a_palette_has_its_colors():
    colors = np.random.default_rng(0).integers(0, 2**16, (3, 256), dtype=np.uint16)
    for stored, shown in ((colors, colors >> 8), (colors >> 8, colors >> 8)):
        (image,) = read_images(one(GRAY, photometric='palette', colormap=stored), name='a.tif')
        assert (image.mode, image.channels) == ('P', 3)
        np.testing.assert_array_equal(image.pixels, GRAY)
        np.testing.assert_array_equal(image.visible('a.tif'), shown.T[GRAY])


def test_a_palette_with_transparency_has_its_colors(tmp_path):
    image = Image.fromarray(RGB).quantize(16).convert('PA')
    image.save(tmp_path / 'a.tif')
    (read,) = read_images((tmp_path / 'a.tif').read_bytes(), name='a.tif')
    assert (read.mode, read.channels, read.alpha) == ('PA', 3, True)
    np.testing.assert_array_equal(read.visible('a.tif'), np.array(image.convert('RGB')))


@pytest.mark.parametrize('byteorder', ['<', '>'])
@pytest.mark.parametrize('kind', ['u1', 'i2', 'u2', 'f4', 'f8'])
@pytest.mark.parametrize(
    'options', [{}, dict(compression='zlib'), dict(compression='lzw', predictor=True)], ids=str
)
def test_byte_orders_and_predictors(byteorder, kind, options):
    """Pillow does not read compressed big-endian floats."""
    pytest.importorskip('imagecodecs')
    pixels = np.linspace(0, 255, GRAY.size).reshape(GRAY.shape).astype(kind)
    data = made((pixels, dict(photometric='minisblack', **options)), byteorder=byteorder)
    (image,) = read_images(data, name='a.tif')
    np.testing.assert_array_equal(image.visible('a.tif'), pixels)


@pytest.mark.parametrize('orientation', range(1, 9))
def test_the_orientation_turns_what_is_seen(orientation):
    """The eight values of the standard, by where row 0 and column 0 lie."""
    data = one(RGB, photometric='rgb', extratags=[(274, 'H', 1, orientation, True)])
    (image,) = read_images(data, name='a.tif')
    seen = {
        1: RGB,
        2: RGB[:, ::-1],
        3: RGB[::-1, ::-1],
        4: RGB[::-1],
        5: RGB.swapaxes(0, 1),
        6: np.rot90(RGB, -1),
        7: RGB[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(RGB),
    }[orientation]
    np.testing.assert_array_equal(image.visible('a.tif'), seen)


@pytest.mark.parametrize(
    ('samples', 'extra', 'mode', 'bands', 'visible'),
    [
        (2, 'unassalpha', 'LA', 0, 1),
        (2, 'unspecified', '2 bands', 2, 2),
        (4, 'unassalpha', 'RGBA', 0, 3),
        (4, 'unspecified', 'RGB+1', 0, 3),
    ],
)
def test_extra_samples_are_alpha_only_if_the_file_says_so(samples, extra, mode, bands, visible):
    kind = 'rgb' if samples == 4 else 'minisblack'
    pixels = BANDS[..., :samples]
    data = one(pixels, photometric=kind, planarconfig='contig', extrasamples=[extra])
    (image,) = read_images(data, name='a.tif')
    assert (image.mode, image.bands, image.alpha) == (mode, bands, extra == 'unassalpha')
    np.testing.assert_array_equal(image.pixels, pixels)
    expected = pixels[..., 0] if visible == 1 else pixels[..., :visible]
    np.testing.assert_array_equal(image.visible('a.tif'), expected)


def tag_changed(data: bytes, number: int, value: int | None) -> bytes:
    """Change the value of a tag of the first directory of a small-endian file, or remove it."""
    changed = bytearray(data)
    (at,) = struct.unpack_from('<I', data, 4)
    for entry in range(at + 2, at + 2 + 12 * struct.unpack_from('<H', data, at)[0], 12):
        if struct.unpack_from('<H', data, entry)[0] == number:
            if value is None:
                struct.pack_into('<H', changed, entry, 65000)
            else:
                struct.pack_into('<I', changed, entry + 8, value)
    assert changed != data
    return bytes(changed)


def below_an_overview() -> bytes:
    """A file as cameras write them: a preview, and in its SubIFD the image."""
    small = dict(subfiletype=1, photometric='rgb', metadata=None)
    return made((RGB[::4, ::4], small | dict(subifds=1)), (RGB, small | dict(subfiletype=0)))


def five_six_five() -> bytes:
    """A file of 16 bits per pixel, of which green has 6."""
    tags = [
        (256, 3),
        (257, 2),
        (258, 0),
        (259, 1),
        (262, 2),
        (273, 0),
        (277, 3),
        (278, 2),
        (279, 12),
    ]
    end = 8 + 2 + 12 * len(tags) + 4
    places = {258: end, 273: end + 6}
    entries = b''.join(
        struct.pack('<HHII', tag, 3, 3 if tag == 258 else 1, places.get(tag, value))
        for tag, value in tags
    )
    header = b'II*\0' + struct.pack('<IH', 8, len(tags)) + entries + bytes(4)
    return header + struct.pack('<3H', 5, 6, 5) + bytes(12)


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda: stack('CYX', STACK[:2], imagej=True), '2 channels as separate planes'),
        (lambda: stack('CYX', STACK[:2], ome=True), '2 channels as separate planes'),
        (lambda: made((GRAY, {}), (GRAY[:9], {}), ome=True), 'contains 2 OME images: save one'),
        (lambda: made((SHADOW, MASK)), 'contains only overviews or masks'),
        (
            lambda: one(GRAY, description='ImageJ=1.53\nimages=6\nslices=6\n', metadata=None),
            'contains one image, but its description names several',
        ),
        (lambda: one(GRAY.astype('c8')), 'contains 64-bit complex64 values: save it with'),
        (
            lambda: one(GRAY, photometric='cfa', extratags=[(33421, 'H', 2, (2, 2), True)]),
            'raw sensor',
        ),
        (lambda: one(RGB, photometric='cielab'), 'is stored as CIELAB: save it in gray or RGB'),
        (
            lambda: tag_changed(one(RGB, photometric='rgb'), 262, 6),
            'chroma subsampling not supported',
        ),
        (lambda: tag_changed(one(GRAY, compression='zlib'), 259, 40000), 'cannot decode'),
        (lambda: tag_changed(one(GRAY), 262, None), 'has no PhotometricInterpretation, so that 0'),
        (lambda: below_an_overview(), r'contains its image below an overview \(SubIFD\)'),
        (lambda: one(RGB, photometric='ycbcr'), 'is stored as YCbCr: save it in gray or RGB'),
        (lambda: five_six_five(), 'has 5, 6, 5 bits in its channels: save it with 8 bits in each'),
    ],
)
def test_what_is_not_supported_is_named(make, message):
    with pytest.raises(UnsupportedError, match=message) as caught:
        read_images(make(), name='a.tif')
    assert 'damaged' not in str(caught.value)


def test_deep_values_with_white_as_zero_have_no_shared_meaning():
    data = one(GRAY.astype('u2'), photometric='miniswhite')
    (image,) = read_images(data, name='a.tif')
    np.testing.assert_array_equal(image.pixels, GRAY)
    with pytest.raises(UnsupportedError, match=r'a.tif contains uint16 values with 0 as white'):
        image.visible('a.tif')


def test_labels_with_white_as_zero_may_be_meant_either_way():
    with pytest.raises(UnsupportedError, match=r'a\.tif is stored with 0 as white \(MINISWHITE\)'):
        decode_image(one(GRAY, photometric='miniswhite'), name='a.tif')


def test_large_files_are_told_from_damaged_ones(monkeypatch):
    data = made((STACK, dict(photometric='minisblack')))
    monkeypatch.setenv('MMSEG_ATTN_MAX_IMAGE_GIB', str(STACK.nbytes / 2**30))
    assert len(read_images(data, name='a.tif')) == 6
    monkeypatch.setenv('MMSEG_ATTN_MAX_IMAGE_GIB', str((STACK.nbytes - 1) / 2**30))
    with pytest.raises(TooLargeError, match=r'a\.tif has .* pixels, .* MMSEG_ATTN_MAX_IMAGE_GIB'):
        read_images(data, name='a.tif')


@pytest.mark.parametrize(
    'data',
    [
        made((GRAY.astype('i2'), dict(compression='zlib', rowsperstrip=4))),
        made((GRAY.astype('f8'), {})),
        made((STACK, dict(photometric='minisblack')), imagej=True),
        made((BANDS, dict(photometric='minisblack', planarconfig='contig', tile=(16, 16)))),
    ],
    ids=['strips', 'one block', 'stack', 'tiles'],
)
def test_pixels_that_are_missing_are_not_filled_up(data):
    (at,) = struct.unpack_from('<I', data, 4)
    for length in (*range(0, len(data) - 200, 97), len(data) // 2):
        if length <= at + 300:  # else the directory is complete, and the pixels may be
            with pytest.raises(DamagedError, match=r'a\.tif is truncated or damaged'):
                read_images(data[:length], name='a.tif')


def test_strips_that_the_directory_lacks_are_missing():
    data = one(GRAY.astype('i2'), compression='zlib', rowsperstrip=4)
    with pytest.raises(DamagedError, match='strips or tiles are missing'):
        read_images(tag_changed(data, 278, 2), name='a.tif')  # twice as many are needed


def test_a_missing_decoder_is_named_without_risk_for_numpy(monkeypatch):
    def fail(*_, **__):
        raise KeyError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    data = one(GRAY.astype('i2'), compression='zlib')
    monkeypatch.setattr(tifffile.TiffPage, 'asarray', fail)
    with pytest.raises(UnsupportedError, match='pip install imagecodecs "numpy==') as caught:
        read_images(data, name='a.tif')
    assert np.__version__ in str(caught.value)


@pytest.mark.usefixtures('no_libraries')
def test_without_tifffile_plain_files_are_read_and_others_named():
    for pixels in (GRAY, GRAY.astype('u2') * 200, GRAY.astype('f4')):
        np.testing.assert_array_equal(read_images(one(pixels), name='a.tif')[0].pixels, pixels)
    (image,) = read_images(one(RGB, photometric='rgb'), name='a.tif')
    np.testing.assert_array_equal(image.pixels, RGB)
    for data in (one(BANDS), one(GRAY.astype('i2')), made((GRAY, PLAIN), (GRAY, PLAIN))):
        with pytest.raises(UnsupportedError, match=r'needs tifffile: .* mmseg_attn\[medical\]'):
            read_images(data, name='a.tif')
    with pytest.raises(DamagedError):
        read_images(one(GRAY)[:150], name='a.tif')


@pytest.mark.parametrize('nodata', [None, 7])
def test_tiles_that_are_left_out_hold_no_bytes_of_the_file(nodata):
    """GDAL leaves out tiles without data (SPARSE_OK): their place and length are 0."""
    tags = [] if nodata is None else [(42113, 's', 0, str(nodata), True)]
    data = bytearray(one(GRAY, tile=(16, 16), metadata=None, extratags=tags))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        for name, size in (('TileOffsets', 4), ('TileByteCounts', 2)):
            at = file.pages[0].tags[name].valueoffset
            data[at : at + size] = bytes(size)  # of the first tile
    (image,) = read_images(bytes(data), name='a.tif')
    expected = GRAY.copy()
    expected[:16, :16] = nodata or 0
    np.testing.assert_array_equal(image.pixels, expected)
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(data)), expected)


def test_a_file_without_images_is_damaged():
    with pytest.raises(DamagedError, match='it contains no image;'):
        read_images(b'II*\0' + bytes(4), name='a.tif')

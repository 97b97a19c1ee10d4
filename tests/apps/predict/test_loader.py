"""What the loader of a config gives of a file, or would give."""

import struct
import zlib

import cv2
import mmcv
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from PIL import Image

from mmseg_attn.apps.predict import ConfigLoader
from mmseg_attn.errors import UnsupportedError
from mmseg_attn.io import read_images

GRAY = np.random.default_rng(0).integers(0, 256, (12, 9), dtype=np.uint8)
COLOR = np.random.default_rng(1).integers(0, 256, (12, 9, 3), dtype=np.uint8)


def made(**settings) -> ConfigLoader:
    return ConfigLoader(LoadImageFromFile(**settings))


def test_channels_are_those_of_the_loader():
    color = COLOR[:4]
    same = np.repeat(color[..., :1], 3, axis=2)
    loader = made(color_type='grayscale')
    np.testing.assert_array_equal(loader.prepare(same), same[..., 0])
    np.testing.assert_array_equal(loader.prepare(same[..., 0]), same[..., 0])
    loader = made()
    np.testing.assert_array_equal(loader.prepare(color), color[..., ::-1])
    np.testing.assert_array_equal(loader.prepare(same[..., 0]), same)
    loader = made(color_type='unchanged')
    np.testing.assert_array_equal(loader.prepare(color), color[..., ::-1])
    np.testing.assert_array_equal(loader.prepare(same[..., 0]), same[..., 0])


@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
def test_colors_become_gray_as_the_backend_converts_them(tmp_path, backend):
    """OpenCV and Pillow weight the colors equally, but round differently."""
    Image.fromarray(COLOR).save(tmp_path / 'a.tif')
    data = (tmp_path / 'a.tif').read_bytes()
    expected = mmcv.imfrombytes(data, flag='grayscale', backend=backend)
    gray = made(color_type='grayscale', imdecode_backend=backend).prepare(COLOR)
    np.testing.assert_array_equal(gray, expected)


def test_a_backend_without_tiff_converts_to_gray_as_opencv(tmp_path):
    gray = made(color_type='grayscale', imdecode_backend='turbojpeg').prepare(COLOR)
    np.testing.assert_array_equal(gray, cv2.cvtColor(COLOR, cv2.COLOR_RGB2GRAY))


@pytest.mark.parametrize(
    'color_type', ['color', 'color_ignore_orientation', 'grayscale', 'unchanged']
)
@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
@pytest.mark.parametrize('pixels', [GRAY, COLOR], ids=['gray', 'color'])
def test_pages_get_what_files_of_one_page_do(tmp_path, color_type, backend, pixels):
    """Our own reading, with the channels of the loader, is what the loader reads."""
    path = tmp_path / 'a.png'
    Image.fromarray(pixels).save(path)
    loader = made(color_type=color_type, imdecode_backend=backend)
    (image,) = read_images(path.read_bytes(), name=path)
    loaded, own = loader.load(path, image), loader.prepare(image.visible(path))
    assert loaded.shape == own.shape
    assert abs(loaded.astype(int) - own).max() <= 1  # conversions to gray round in two ways


def test_tifffile_gives_what_is_stored(tmp_path):
    tifffile = pytest.importorskip('tifffile')
    loader = made(imdecode_backend='tifffile', color_type='grayscale')
    assert (loader.color_type, loader.bgr) == ('unchanged', False)
    for pixels in (GRAY, COLOR, np.dstack([COLOR] * 2).astype('f4')):
        np.testing.assert_array_equal(loader.prepare(pixels), pixels)
        tifffile.imwrite(tmp_path / 'a.tif', pixels, planarconfig='contig')
        np.testing.assert_array_equal(loader.load(tmp_path / 'a.tif', None), pixels)


def test_a_loader_that_fails_gives_nothing(tmp_path):
    (tmp_path / 'a.png').write_text('no image')
    assert made().load(tmp_path / 'a.png', None) is None
    assert made().load(tmp_path / 'b.png', None) is None
    assert made(imdecode_backend='tifffile').load(tmp_path / 'a.png', None) is None


class LoadHalf(LoadImageFromFile):
    """A loader that gives something else than the file holds."""

    def __init__(self, change, **settings):
        super().__init__(**settings)
        self.change = change

    def transform(self, results):
        return dict(img=self.change(super().transform(results)['img']))


@pytest.mark.parametrize(
    ('change', 'form'),
    [
        (lambda image: image[..., 0], '1 channel of uint8'),
        (lambda image: image[::-1], '3 channels of uint8'),
        (lambda image: image * 0, '3 channels of uint8'),
        (lambda image: image[:6], '3 channels of uint8'),
        (lambda image: image[..., ::-1], '3 channels of uint8'),
    ],
    ids=['band', 'flipped', 'black', 'cut', 'turned colors'],
)
def test_what_the_file_does_not_hold_is_refused(tmp_path, change, form):
    path = tmp_path / 'a.png'
    Image.fromarray(COLOR).save(path)
    (image,) = read_images(path.read_bytes(), name=path)
    loader = ConfigLoader(LoadHalf(change, color_type='unchanged'))
    with pytest.raises(
        UnsupportedError, match=rf'a\.png \(RGB, 8 bits\) does .* returns {form} with'
    ):
        loader.load(path, image)


ALPHA = np.random.default_rng(2).integers(0, 256, (12, 9), dtype=np.uint8)
ALPHA[:4] = 255


@pytest.mark.parametrize('color_type', ['color', 'grayscale', 'unchanged'])
@pytest.mark.parametrize('color', [COLOR, GRAY], ids=['color', 'gray'])
def test_transparency_may_be_treated_in_any_way_but_the_colors_must_be_there(
    tmp_path, color, color_type
):
    """OpenCV returns black where it does not know the compression of a TIFF."""
    path = tmp_path / 'a.png'
    Image.fromarray(np.dstack([color, ALPHA])).save(path)
    (image,) = read_images(path.read_bytes(), name=path)
    loader = ConfigLoader(LoadHalf(lambda loaded: loaded, color_type=color_type))
    assert loader.load(path, image) is not None
    shown = made(color_type=color_type).prepare(color)
    weight = ALPHA / 255 if shown.ndim == 2 else ALPHA[..., None] / 255
    for background in (shown, 0, 99, 255):  # with the first one, nothing changes
        blend = (shown * weight + background * (1 - weight)).round().astype(np.uint8)
        loader.transform.change = lambda loaded, blend=blend: blend
        np.testing.assert_array_equal(loader.load(path, image), blend)
    for change in (np.zeros_like, lambda loaded: loaded[::-1], lambda loaded: 255 - loaded):
        loader.transform.change = change
        with pytest.raises(UnsupportedError, match='with other values: convert'):
            loader.load(path, image)


@pytest.mark.parametrize('channels', [2, 4])
def test_transparency_of_16_bits(tmp_path, channels):
    imagecodecs = pytest.importorskip('imagecodecs', reason='needs imagecodecs')
    pixels = np.dstack([COLOR, ALPHA])[..., -channels:].astype(np.uint16) * 257
    path = tmp_path / 'a.png'
    path.write_bytes(imagecodecs.png_encode(pixels))
    (image,) = read_images(path.read_bytes(), name=path)
    assert (image.channels, image.bits, image.alpha) == (channels, 16, True)
    loader = ConfigLoader(LoadHalf(lambda loaded: loaded, color_type='unchanged'))
    expected = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(loader.load(path, image), expected)
    loader.transform.change = np.zeros_like
    with pytest.raises(UnsupportedError, match='with other values: convert'):
        loader.load(path, image)


def test_bits_that_become_floats_are_missed_all_the_same(tmp_path):
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), COLOR.astype(np.uint16) * 200)
    (image,) = read_images(path.read_bytes(), name=path)
    assert made(to_float32=True, color_type='unchanged').load(path, image).dtype == np.uint16
    eight = made(to_float32=True, color_type='unchanged', imdecode_backend='pillow')
    with pytest.raises(UnsupportedError, match=r'a\.png \(RGB of uint16, 16 bits\)'):
        eight.load(path, image)


@pytest.mark.parametrize('color_type', ['color', 'unchanged'])
@pytest.mark.parametrize('orientation', [1, 6])
def test_orientation_is_as_the_loader_has_it(tmp_path, color_type, orientation):
    """OpenCV turns JPEGs, but not with ``unchanged``."""
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / 'a.jpg'
    Image.fromarray(cv2.resize(COLOR, (36, 48))).save(path, exif=exif, quality=100)
    (image,) = read_images(path.read_bytes(), name=path)
    loaded = made(color_type=color_type).load(path, image)
    turned = orientation == 6 and color_type == 'color'
    assert loaded.shape == ((36, 48, 3) if turned else (48, 36, 3))


@pytest.mark.parametrize('kind', ['jpg', 'png'])
@pytest.mark.parametrize('orientation', [3, 6, 8])
def test_colors_that_are_turned_become_gray(tmp_path, kind, orientation):
    """A photo of a phone, for a model of gray images."""
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f'a.{kind}'
    Image.fromarray(cv2.resize(COLOR, (36, 48))).save(path, exif=exif)
    (image,) = read_images(path.read_bytes(), name=path)
    loaded = made(color_type='grayscale').load(path, image)
    np.testing.assert_array_equal(loaded, cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))


def test_gray_of_colors_may_follow_the_gamma_of_the_file(tmp_path):
    """OpenCV turns colors gray by the brightness that the gamma of a PNG gives them."""
    Image.fromarray(COLOR).save(tmp_path / 'a.png')
    data = (tmp_path / 'a.png').read_bytes()
    body = b'gAMA' + struct.pack('>I', 45455)
    chunk = struct.pack('>I', 4) + body + struct.pack('>I', zlib.crc32(body))
    (tmp_path / 'b.png').write_bytes(data[:33] + chunk + data[33:])
    loader = made(color_type='grayscale')
    (image,) = read_images((tmp_path / 'b.png').read_bytes(), name='b.png')
    loaded = loader.load(tmp_path / 'b.png', image)
    np.testing.assert_array_equal(loaded, cv2.imread(str(tmp_path / 'b.png'), cv2.IMREAD_GRAYSCALE))
    half = ConfigLoader(LoadHalf(lambda gray: gray // 2, color_type='grayscale'))
    with pytest.raises(UnsupportedError, match='1 channel of uint8 with other values:'):
        half.load(tmp_path / 'a.png', image)

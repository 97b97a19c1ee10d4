"""What a model gets of a file, and which reader gives it."""

import cv2
import mmcv
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from PIL import Image

from mmseg_attn.apps.predict import ConfigLoader, Intensities, load_file
from mmseg_attn.errors import DataError, UnknownTypeError, UnsupportedError

GRAY = np.random.default_rng(0).integers(0, 256, (12, 9), dtype=np.uint8)
COLOR = np.random.default_rng(1).integers(0, 256, (12, 9, 3), dtype=np.uint8)


def load(path, *, in_channels=None, window=None, **settings):
    loader = ConfigLoader(LoadImageFromFile(**settings))
    keep = loader.color_type == 'unchanged'
    return load_file(
        path, loader, Intensities([path], window=window, keep=keep), in_channels=in_channels
    )


def test_pages_have_the_channels_of_the_loader(tmp_path):
    pages = [Image.fromarray(COLOR), Image.fromarray(COLOR[::-1].copy())]
    pages[0].save(tmp_path / 'x.tif', save_all=True, append_images=pages[1:])
    pytest.importorskip('tifffile')
    for color_type, expected in (
        ('color', COLOR[..., ::-1]),
        ('unchanged', COLOR[..., ::-1]),
        ('grayscale', cv2.imdecode(cv2.imencode('.tif', COLOR[..., ::-1])[1], 0)),
    ):
        loaded = load(tmp_path / 'x.tif', color_type=color_type)
        assert len(loaded.images) == 2
        np.testing.assert_array_equal(loaded.images[0], expected)
        np.testing.assert_array_equal(loaded.images[1], expected[::-1])
    loaded = load(tmp_path / 'x.tif', imdecode_backend='tifffile', in_channels=3)
    np.testing.assert_array_equal(loaded.images[1], COLOR[::-1])


ALPHA = np.random.default_rng(2).integers(0, 256, (12, 9, 1), dtype=np.uint8)
COLORS = np.random.default_rng(3).integers(256, 65536, (3, 256), dtype=np.uint16)
RGBA = np.dstack([COLOR, ALPHA])
DEEP = COLOR.astype(np.uint16) * 250
WIDE = dict(planarconfig='contig')
# Pages of a TIFF, with tifffile's arguments
PAGES = dict(
    gray=(GRAY, dict(photometric='minisblack')),
    white_is_zero=(GRAY, dict(photometric='miniswhite')),
    rgb=(COLOR, dict(photometric='rgb')),
    compressed=(COLOR, dict(photometric='rgb', compression='zlib', predictor=True)),
    planes=(COLOR.transpose(2, 0, 1).copy(), dict(photometric='rgb', planarconfig='separate')),
    rgb_straight_alpha=(RGBA, dict(photometric='rgb', extrasamples=['unassalpha'])),
    rgb_associated_alpha=(RGBA, dict(photometric='rgb', extrasamples=['assocalpha'])),
    rgb_and_infrared=(RGBA, dict(photometric='rgb', extrasamples=['unspecified'])),
    gray_alpha=(
        RGBA[..., 2:].copy(),
        dict(photometric='minisblack', extrasamples=['unassalpha'], **WIDE),
    ),
    palette=(GRAY, dict(photometric='palette', colormap=COLORS)),
    bilevel=(GRAY > 127, dict(photometric='minisblack')),
    bilevel_white_is_zero=(GRAY > 127, dict(photometric='miniswhite')),
    cmyk=(RGBA, dict(photometric='separated')),
    gray16=(DEEP[..., 0].copy(), dict(photometric='minisblack')),
    rgb16=(DEEP, dict(photometric='rgb')),
    rgba16=(
        np.dstack([DEEP, ALPHA.astype('u2') * 257]),
        dict(photometric='rgb', extrasamples=['unassalpha']),
    ),
)


@pytest.mark.parametrize('bigtiff', [False, True])
@pytest.mark.parametrize('byteorder', ['<', '>'])
@pytest.mark.parametrize('backend', ['cv2', 'pillow', 'tifffile'])
@pytest.mark.parametrize('color_type', ['color', 'grayscale', 'unchanged'])
@pytest.mark.filterwarnings('ignore')
def test_a_page_is_what_mmcv_reads_from_a_file_of_this_page(
    tmp_path, color_type, backend, byteorder, bigtiff
):
    """Or it is refused as that file is; our own reader is right where mmcv cannot read the file."""
    tifffile = pytest.importorskip('tifffile')
    settings = dict(color_type=color_type, imdecode_backend=backend)
    same = []
    for name, (pixels, options) in PAGES.items():
        if (name, backend) == ('planes', 'tifffile'):
            continue  # the order of its axes differs from that of an image
        form = dict(byteorder=byteorder, bigtiff=bigtiff)
        alone, pages = tmp_path / f'{name}.tif', tmp_path / f'{name}s.tif'
        tifffile.imwrite(alone, pixels, metadata=None, **form, **options)
        with tifffile.TiffWriter(pages, **form) as writer:
            for page in (pixels[..., ::-1].copy(), pixels, pixels):
                writer.write(page, metadata=None, **options)
        try:
            expected = mmcv.imfrombytes(alone.read_bytes(), flag=color_type, backend=backend)
        except Exception:
            expected = None
        known = expected is not None
        settings['in_channels'] = (
            (1 if expected.ndim == 2 else expected.shape[-1]) if known else None
        )
        try:
            (one,) = load(alone, **settings).images
        except DataError as error:
            refusal = type(error)
            with pytest.raises(refusal):
                load(pages, **settings)
            continue
        _, *images = load(pages, **settings).images
        assert len(images) == 2
        for image in images:
            np.testing.assert_array_equal(image, expected if known else one)
        same.append(name)
    deep = {'gray16', 'rgb16', 'rgba16'}
    assert {'gray', 'rgb', 'palette', 'bilevel'} <= {*same}
    assert bool(deep & {*same}) is (color_type == 'unchanged' or backend == 'tifffile')


def test_the_first_page_is_not_taken_for_all(tmp_path):
    """OpenCV and Pillow read the first page, tifffile the first pages of one size."""
    tifffile = pytest.importorskip('tifffile')
    with tifffile.TiffWriter(tmp_path / 'x.tif') as writer:
        for page in (GRAY, GRAY[:5]):
            writer.write(page, metadata=None)
    for backend in ('cv2', 'pillow', 'tifffile'):
        loaded = load(
            tmp_path / 'x.tif', imdecode_backend=backend, color_type='unchanged', in_channels=1
        )
        assert [image.shape for image in loaded.images] == [(12, 9), (5, 9)]


def test_bands_that_lie_on_the_last_axis_of_pages(tmp_path):
    """What tifffile writes of (H, W, 5) without further words, and reads as it was."""
    tifffile = pytest.importorskip('tifffile')
    bands = np.random.default_rng(0).integers(0, 256, (12, 9, 5), dtype=np.uint8)
    tifffile.imwrite(tmp_path / 'x.tif', bands)
    (image,) = load(tmp_path / 'x.tif', imdecode_backend='tifffile', in_channels=5).images
    np.testing.assert_array_equal(image, bands)


def pillow_reads(path) -> bool:
    """Tell whether the installed version reads a file."""
    try:
        Image.open(path).close()
    except OSError:
        return False
    return True


def test_planes_of_bands_are_read_or_refused_where_the_loader_mixes_them_up(tmp_path):
    tifffile = pytest.importorskip('tifffile')
    planes = np.random.default_rng(0).integers(0, 256, (4, 12, 9), dtype=np.uint8)
    options = dict(photometric='minisblack', planarconfig='separate', compression='zlib')
    tifffile.imwrite(tmp_path / 'x.tif', planes, **options)
    for backend in ('cv2', 'pillow', 'tifffile'):
        settings = dict(imdecode_backend=backend, color_type='unchanged', in_channels=4)
        if backend == 'pillow' and not pillow_reads(tmp_path / 'x.tif'):
            (image,) = load(tmp_path / 'x.tif', **settings).images
            np.testing.assert_array_equal(image, planes.transpose(1, 2, 0)[..., [2, 1, 0, 3]])
        elif backend == 'tifffile':
            (image,) = load(tmp_path / 'x.tif', **settings).images
            np.testing.assert_array_equal(image, planes.transpose(1, 2, 0))
        else:
            with pytest.raises(UnsupportedError, match=r'x\.tif \(4 bands, 8 bits\) does not fit'):
                load(tmp_path / 'x.tif', **settings)
        if backend != 'tifffile':
            with pytest.raises(
                UnsupportedError, match=r'x\.tif contains 4 bands that are not colors'
            ):
                load(
                    tmp_path / 'x.tif',
                    imdecode_backend=backend,
                    color_type='grayscale',
                    in_channels=1,
                )


def test_deep_colors_need_a_window_for_models_of_8_bits(tmp_path):
    deep = COLOR.astype(np.uint16) * 16
    cv2.imwrite(str(tmp_path / 'x.png'), deep)
    with pytest.raises(DataError, match=r'x\.png contains uint16 values from .*--intensity LOW'):
        load(tmp_path / 'x.png')
    loaded = load(tmp_path / 'x.png', window=(0, 4080))
    np.testing.assert_array_equal(loaded.images[0], COLOR)  # BGR, as it was written
    assert loaded.mapping == ((0, 4080), 0)
    np.testing.assert_array_equal(load(tmp_path / 'x.png', color_type='unchanged').images[0], deep)


def test_what_the_loader_cannot_decode_our_reader_may(tmp_path):
    tifffile = pytest.importorskip('tifffile')
    pytest.importorskip('imagecodecs')
    tifffile.imwrite(tmp_path / 'x.tif', GRAY, compression='zstd')
    loaded = load(tmp_path / 'x.tif', color_type='grayscale')
    np.testing.assert_array_equal(loaded.images[0], GRAY)


def test_types_that_only_the_loader_knows(tmp_path):
    class LoadNumbers(LoadImageFromFile):
        def transform(self, results):
            return dict(img=np.load(results['img_path']))

    np.save(tmp_path / 'x.npy', GRAY)
    loader = ConfigLoader(LoadNumbers(color_type='grayscale'))
    loaded = load_file(tmp_path / 'x.npy', loader, Intensities([]))
    np.testing.assert_array_equal(loaded.images[0], GRAY)
    with pytest.raises(
        UnknownTypeError, match=r'x\.npy has an unknown type: convert it to one of \.png'
    ):
        load(tmp_path / 'x.npy')


@pytest.mark.parametrize('kind', ['bmp', 'webp', 'ppm', 'jp2'])
def test_other_formats_that_the_loader_reads(tmp_path, kind):
    options = dict(webp=dict(lossless=True), jp2=dict(irreversible=False)).get(kind, {})
    Image.fromarray(COLOR).save(tmp_path / f'x.{kind}', **options)
    (image,) = load(tmp_path / f'x.{kind}').images
    np.testing.assert_array_equal(image, COLOR[..., ::-1])

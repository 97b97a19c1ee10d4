import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from mmseg_attn.apps.predict import Intensities, read_content
from mmseg_attn.errors import DataError


@pytest.fixture
def gray():
    return np.random.default_rng(0).integers(0, 256, (5, 7), dtype=np.uint8)


@pytest.fixture
def color():
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def test_images_of_one_channel(gray, tmp_path):
    for kind, dtype in (('png', np.uint8), ('png', np.uint16), ('tif', np.uint16), ('tif', 'f4')):
        values = gray.astype(dtype) * (1 if dtype == np.uint8 else 7)
        Image.fromarray(values).save(tmp_path / f'x.{kind}')
        (found,) = read_content(tmp_path / f'x.{kind}').slices
        assert found.dtype == values.dtype
        np.testing.assert_array_equal(found, values)


def test_other_modes_become_gray_or_color(gray, color, tmp_path):
    for image in (Image.fromarray(color), Image.fromarray(color).convert('RGBA')):
        image.save(tmp_path / 'x.png')
        np.testing.assert_array_equal(read_content(tmp_path / 'x.png').slices[0], color)
    Image.fromarray(color).quantize(16).save(tmp_path / 'x.png')
    assert read_content(tmp_path / 'x.png').slices[0].shape == (5, 7, 3)
    Image.fromarray(gray).convert('LA').save(tmp_path / 'x.png')
    np.testing.assert_array_equal(read_content(tmp_path / 'x.png').slices[0], gray)
    Image.fromarray(gray > 99).save(tmp_path / 'x.png')
    np.testing.assert_array_equal(read_content(tmp_path / 'x.png').slices[0], 255 * (gray > 99))
    Image.fromarray(color).convert('CMYK').save(tmp_path / 'x.jpg')
    assert read_content(tmp_path / 'x.jpg').slices[0].shape == (5, 7, 3)


@pytest.mark.parametrize('kind', ['jpg', 'png', 'tif'])
def test_images_are_rotated_by_their_exif_tag(kind, color, tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # upright after a quarter turn clockwise
    Image.fromarray(color).save(tmp_path / f'x.{kind}', exif=exif, quality=100, subsampling=0)
    (found,) = read_content(tmp_path / f'x.{kind}').slices
    expected = np.rot90(color, -1).astype(int)
    assert found.shape == (7, 5, 3)
    assert abs(found - expected).max() <= (60 if kind == 'jpg' else 0)


def test_pages_are_slices_and_may_differ_in_size(gray, tmp_path):
    pages = [gray, gray[:3], gray[::-1]]
    images = [Image.fromarray(page) for page in pages]
    images[0].save(tmp_path / 'x.tif', save_all=True, append_images=images[1:])
    for found, page in zip(read_content(tmp_path / 'x.tif').slices, pages, strict=True):
        np.testing.assert_array_equal(found, page)


def test_nifti_slices_lie_on_the_third_axis(tmp_path):
    nibabel = pytest.importorskip('nibabel')
    volume = np.random.default_rng(0).integers(-9, 9, (4, 3, 2)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / 'x.nii')
    source = read_content(tmp_path / 'x.nii')
    assert source.nifti.shape == (4, 3, 2)
    for k, found in enumerate(source.slices):
        np.testing.assert_array_equal(found, volume[:, :, k].T)


def damaged(path, gray):
    Image.fromarray(gray).save(path)
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize(
    ('name', 'make', 'message'),
    [
        ('x.png', damaged, r'x\.png is truncated or damaged'),
        ('x.tif', damaged, r'x\.tif is truncated or damaged'),
        ('x.jpg', lambda path, _: path.write_text('text'), r'x\.jpg is truncated or damaged'),
        ('x.txt', lambda path, _: path.write_text('text'), r'x\.txt has an unknown type'),
        (
            'x.tif',
            lambda path, g: Image.fromarray(np.where(g, np.nan, 0).astype('f4')).save(path),
            r'x\.tif contains values that are not finite: replace',
        ),
    ],
)
def test_what_cannot_be_read_is_named(name, make, message, gray, tmp_path):
    make(tmp_path / name, gray)
    with pytest.raises(DataError, match=message) as caught:
        read_content(tmp_path / name)
    assert '\n' not in str(caught.value)


def test_a_volume_without_slices_is_refused(tmp_path):
    nibabel = pytest.importorskip('nibabel')
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 3, 0), 'u1'), np.eye(4)), tmp_path / 'x.nii')
    with pytest.raises(DataError, match=r'has dim\[3\] 0, but an axis'):
        read_content(tmp_path / 'x.nii')


@pytest.mark.parametrize(
    ('spacing', 'area'),
    [
        (dict(PixelSpacing=[0.5, 0.25]), 0.125),
        (dict(), None),
        (dict(PixelSpacing=[0, 1]), None),
        (dict(PixelSpacing=None), None),
        (dict(ImagerPixelSpacing=[0.5, 0.25]), None),  # at the detector, not in the body
    ],
)
def test_the_area_of_dicom_pixels(spacing, area, gray, tmp_path):
    dicom = pytest.importorskip('tests.data.dicom')
    dicom.write(tmp_path / 'x.dcm', gray, **spacing)
    source = read_content(tmp_path / 'x.dcm')
    assert source.pixel_area == area
    np.testing.assert_array_equal(source.slices[0], gray)


@pytest.mark.parametrize(
    ('unit', 'area'), [('mm', 1.5), ('micron', 1.5e-6), ('meter', 1.5e6), ('unknown', 1.5)]
)
def test_the_area_of_nifti_pixels(unit, area, tmp_path):
    nibabel = pytest.importorskip('nibabel')
    image = nibabel.Nifti1Image(np.zeros((4, 3, 2), 'u1'), np.diag([-0.5, 3, 9, 1]))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / 'x.nii')
    assert read_content(tmp_path / 'x.nii').pixel_area == (area and pytest.approx(area))


OME = '<OME><Pixels PhysicalSizeX="0.5" PhysicalSizeY="250"{}/></OME>'


@pytest.mark.parametrize(
    ('description', 'resolution', 'unit', 'area'),
    [
        ('', 1000, 3, 1e-4),  # 1000 per centimetre
        ('', 300, 2, None),  # per inch: a print resolution
        ('', 1000, 1, None),
        ('ImageJ=1.53\nunit=micron\n', 2, 1, 0.25e-6),
        ('ImageJ=1.53\nunit=\\u00B5m\n', 2, 1, 0.25e-6),
        ('ImageJ=1.53\nunit=nm\n', 0.25, 1, 16e-12),
        ('ImageJ=1.53\nunit=pixel\n', 2, 1, None),
        ('ImageJ=1.53\n', 2, 1, None),
        (OME.format(''), 300, 2, 125e-6),
        (OME.format(' PhysicalSizeXUnit="mm" PhysicalSizeYUnit="nm"'), 300, 2, 125e-6),
        (OME.format(' PhysicalSizeXUnit="pixel"'), 300, 2, None),
        ('<OME><Pixels/></OME>', 300, 2, None),
        ('<OME><Pixels PhysicalSizeX="wide" PhysicalSizeY="1"/></OME>', 300, 2, None),
    ],
)
def test_the_area_of_tiff_pixels(description, resolution, unit, area, gray, tmp_path):
    tags = ImageFileDirectory_v2()
    tags[270], tags[282], tags[283], tags[296] = description, resolution, resolution, unit
    Image.fromarray(gray).save(tmp_path / 'x.tif', tiffinfo=tags)
    assert read_content(tmp_path / 'x.tif').pixel_area == (area and pytest.approx(area))


def test_dots_per_inch_are_no_spacing(gray, tmp_path):
    for kind in ('png', 'jpg', 'tif'):
        Image.fromarray(gray).save(tmp_path / f'x.{kind}', dpi=(72, 72))
        assert read_content(tmp_path / f'x.{kind}').pixel_area is None


@pytest.mark.parametrize(('text', 'nodata'), [('-9999', -9999), ('nan', None), ('none', None)])
def test_values_without_data_are_named_and_not_counted(tmp_path, text, nodata):
    tifffile = pytest.importorskip('tifffile')
    values = np.array([[-9999, 0, 100]], np.int16)
    tag = [(42113, 's', 0, text, True)]
    tifffile.imwrite(tmp_path / 'a.tif', values, metadata=None, extratags=tag)
    content = read_content(tmp_path / 'a.tif')
    assert content.notes == (
        ['pixels of GDAL_NODATA -9999 are predicted like all others'] if nodata else []
    )
    rule = Intensities([], choose=lambda v: (v.min(), v.max()))
    _, mapping = rule.apply(tmp_path / 'a.tif', content)
    assert mapping.window == (0 if nodata else -9999, 100)

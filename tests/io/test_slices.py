import numpy as np
import pytest
from PIL import Image

from mmseg_attn.errors import DataError
from mmseg_attn.io import read_slices


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (6, 5), dtype=np.uint8)


@pytest.mark.parametrize('kind', [np.uint8, np.uint16, np.int32, np.float32])
def test_pictures_keep_their_type(tmp_path, pixels, kind):
    values = pixels.astype(kind) * 100
    Image.fromarray(values).save(tmp_path / 'a.TIF', format='TIFF')
    read = read_slices(tmp_path / 'a.TIF')
    assert read.dtype == kind
    np.testing.assert_array_equal(read, values[None])


@pytest.mark.parametrize('name', ['a.jpg', 'a.JPEG'])
def test_jpeg_is_an_image_and_no_mask(tmp_path, pixels, name):
    Image.fromarray(pixels // 128).save(tmp_path / name, format='JPEG')
    assert read_slices(tmp_path / name).shape == (1, 6, 5)
    with pytest.raises(DataError, match=f'{name} is compressed as JPEG, which changes labels:'):
        read_slices(tmp_path / name, mask=True)


def test_jpeg_in_tiff_is_no_mask(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / 'a.tif', compression='jpeg')
    assert read_slices(tmp_path / 'a.tif').shape == (1, 6, 5)
    with pytest.raises(DataError, match=r'a\.tif is compressed as JPEG, which changes labels:'):
        read_slices(tmp_path / 'a.tif', mask=True)


def test_the_content_says_what_a_file_is(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / 'a.jpg', format='PNG')
    np.testing.assert_array_equal(read_slices(tmp_path / 'a.jpg', mask=True), pixels[None])
    Image.fromarray(pixels).save(tmp_path / 'b.png', format='JPEG')
    with pytest.raises(DataError, match=r'b\.png is compressed as JPEG, which changes labels:'):
        read_slices(tmp_path / 'b.png', mask=True)


@pytest.mark.parametrize('mask', [False, True])
@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(tmp_path, pixels, value, mask):
    values = pixels.astype(np.float32)
    values[2, 3] = value
    Image.fromarray(values).save(tmp_path / 'a.tif')
    with pytest.raises(DataError, match='not finite: replace them,'):
        read_slices(tmp_path / 'a.tif', mask=mask)


def test_gray_in_three_channels_is_gray_for_images_only(tmp_path, pixels):
    path = tmp_path / 'a.png'
    Image.fromarray(pixels).convert('RGB').save(path)
    np.testing.assert_array_equal(read_slices(path), pixels[None])
    with pytest.raises(DataError, match='one channel of labels: convert it'):
        read_slices(path, mask=True)


@pytest.mark.parametrize('mode', ['RGB', 'RGBA', 'LA', 'P', '1'])
def test_other_images_are_refused(tmp_path, mode):
    image = Image.new(mode, (5, 6))
    if mode == 'RGB':
        image.putpixel((1, 1), (1, 2, 3))
    image.save(tmp_path / 'a.png')
    with pytest.raises(
        DataError, match=f'has the mode {mode} instead of one channel of gray values: convert it'
    ):
        read_slices(tmp_path / 'a.png')


@pytest.mark.parametrize('mode', ['RGB', 'RGBA', 'LA', 'P'])
def test_masks_in_color_are_refused(tmp_path, mode):
    Image.new(mode, (5, 6)).save(tmp_path / 'a.png')
    with pytest.raises(
        DataError, match=f'has the mode {mode} instead of one channel of labels: convert it'
    ):
        read_slices(tmp_path / 'a.png', mask=True)


def test_masks_of_one_bit(tmp_path):
    Image.new('1', (5, 6), 1).save(tmp_path / 'a.png')
    np.testing.assert_array_equal(read_slices(tmp_path / 'a.png', mask=True), np.ones((1, 6, 5)))


def test_volumes_are_cut_along_their_third_axis(tmp_path):
    nibabel = pytest.importorskip('nibabel', reason='needs nibabel')
    volume = np.random.default_rng(0).integers(0, 9, (6, 5, 4), dtype=np.int16)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / 'a.nii.gz')
    read = read_slices(tmp_path / 'a.nii.gz')
    for k in range(4):
        np.testing.assert_array_equal(read[k], volume[:, :, k].T)


@pytest.mark.parametrize('name', ['a', 'a.dcm', 'a.1'])
def test_dicom_by_name_or_mark(tmp_path, pixels, name):
    pytest.importorskip('pydicom', reason='needs pydicom')
    from tests.data import dicom

    dicom.write(tmp_path / name, pixels)
    np.testing.assert_array_equal(read_slices(tmp_path / name), pixels[None])


def test_unknown_types_are_refused(tmp_path, pixels):
    (tmp_path / 'Thumbs.db').write_bytes(bytes(200))
    with pytest.raises(DataError, match=r'Thumbs\.db has an unknown type: remove it'):
        read_slices(tmp_path / 'Thumbs.db')

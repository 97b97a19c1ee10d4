import gzip
import importlib
import warnings

import numpy as np
import pytest

from mmseg_attn.datasets.conversion import ConversionError, dicom_series, read_dicom, read_nifti

nibabel = pytest.importorskip('nibabel', reason='needs nibabel: install mmseg_attn[medical]')
pytest.importorskip('pydicom', reason='needs pydicom: install mmseg_attn[medical]')

from tests.data import dicom  # noqa: E402


@pytest.fixture
def volume():
    return np.random.default_rng(0).integers(-1000, 1000, (6, 5, 4), dtype=np.int16)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 4096, (6, 5), dtype=np.uint16)


@pytest.mark.parametrize('name', ['a.nii', 'a.nii.gz'])
@pytest.mark.parametrize('kind', [np.uint8, np.int16, np.float32, np.float64])
def test_nifti_comes_back_in_its_type(tmp_path, volume, name, kind):
    nibabel.save(nibabel.Nifti1Image(volume.astype(kind), np.eye(4)), tmp_path / name)
    read = read_nifti(tmp_path / name)
    assert read.dtype == kind
    np.testing.assert_array_equal(read, volume.astype(kind))


def test_nifti_is_scaled_as_its_header_says(tmp_path, volume):
    path = tmp_path / 'a.nii'
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), path)
    data = bytearray(path.read_bytes())
    data[112:120] = np.array([2, -7], dtype='<f4').tobytes()  # scl_slope and scl_inter
    path.write_bytes(data)
    np.testing.assert_array_equal(read_nifti(path), 2.0 * volume - 7)


@pytest.mark.parametrize('shape', [(6,), (6, 5), (6, 5, 1), (6, 5, 1, 1)])
def test_fewer_axes_are_one_slice(tmp_path, shape):
    nibabel.save(nibabel.Nifti1Image(np.ones(shape, np.uint8), np.eye(4)), tmp_path / 'a.nii')
    assert read_nifti(tmp_path / 'a.nii').shape == (*shape, 1, 1)[:3]


@pytest.mark.parametrize('name', ['a.nii', 'a.nii.gz'])
def test_every_truncation_of_nifti_is_refused(tmp_path, volume, name):
    path = tmp_path / name
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), path)
    data = path.read_bytes()
    for length in [*range(0, len(data), 9), *range(len(data) - 9, len(data))]:
        path.write_bytes(data[:length])
        with pytest.raises(ConversionError, match=f'{name} is truncated or damaged'):
            read_nifti(path)


def test_a_flipped_bit_in_compressed_nifti_is_refused(tmp_path, volume):
    path = tmp_path / 'a.nii.gz'
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), path)
    data = bytearray(path.read_bytes())
    data[-5] ^= 1  # the checksum
    path.write_bytes(data)
    with pytest.raises(ConversionError, match=r'a\.nii\.gz is truncated or damaged: CRC'):
        read_nifti(path)


def test_a_claim_of_terabytes_is_refused(tmp_path, volume):
    path = tmp_path / 'a.nii'
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), path)
    data = bytearray(path.read_bytes())
    data[42:48] = np.array([30000, 30000, 30000], dtype='<i2').tobytes()
    path.write_bytes(gzip.compress(data))
    with pytest.raises(ConversionError, match='54000000000000 bytes of values are announced'):
        read_nifti(path)


def test_other_volumes_are_refused(tmp_path, volume):
    path = tmp_path / 'a.nii'
    nibabel.save(nibabel.Nifti1Image(volume[..., None].repeat(2, 3), np.eye(4)), path)
    with pytest.raises(ConversionError, match=r'a\.nii has 4 axes: give one volume per file'):
        read_nifti(path)
    values = volume.astype(np.float32)
    values[1, 2, 3] = np.nan
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)
    with pytest.raises(ConversionError, match=r'a\.nii holds values that are no finite numbers'):
        read_nifti(path)


def test_dicom_comes_back_in_its_type(tmp_path, pixels):
    dicom.write(tmp_path / 'a.dcm', pixels)
    read = read_dicom(tmp_path / 'a.dcm')
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, pixels)
    signed = pixels.astype(np.int16) - 2000
    dicom.write(tmp_path / 'a.dcm', signed)
    np.testing.assert_array_equal(read_dicom(tmp_path / 'a.dcm'), signed)


def test_dicom_is_rescaled_and_turned_as_its_tags_say(tmp_path, pixels):
    path = tmp_path / 'a.dcm'
    dicom.write(path, pixels, RescaleSlope=2, RescaleIntercept=-1024)
    np.testing.assert_array_equal(read_dicom(path), 2.0 * pixels - 1024)
    dicom.write(path, pixels, PhotometricInterpretation='MONOCHROME1')
    np.testing.assert_array_equal(read_dicom(path), -1.0 * pixels)
    small = (pixels // 16).astype(np.uint8)
    dicom.write(path, small, PhotometricInterpretation='MONOCHROME1')
    assert read_dicom(path).dtype == np.uint8
    np.testing.assert_array_equal(read_dicom(path), 255 - small)


def test_every_truncation_of_dicom_is_refused(tmp_path, pixels):
    path = tmp_path / 'a.dcm'
    dicom.write(path, pixels)
    data = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        for length in [*range(0, len(data), 9), *range(len(data) - 9, len(data))]:
            path.write_bytes(data[:length])
            with pytest.raises(ConversionError, match=r'a\.dcm is truncated, damaged') as caught:
                read_dicom(path)
            assert '\n' not in str(caught.value)


def test_other_dicom_is_refused(tmp_path, pixels):
    path = tmp_path / 'a.dcm'
    dicom.write(path, np.stack([pixels] * 3), NumberOfFrames=3)
    with pytest.raises(ConversionError, match=r'a\.dcm has values of shape \(3, 6, 5\): give one'):
        read_dicom(path)
    colours = np.zeros((6, 5, 3), np.uint8)
    tags = dict(SamplesPerPixel=3, PhotometricInterpretation='RGB', PlanarConfiguration=0)
    dicom.write(path, colours, **tags)
    with pytest.raises(ConversionError, match=r'a\.dcm has values of shape \(6, 5, 3\): give one'):
        read_dicom(path)


def test_series_of_dicom(tmp_path, pixels):
    dicom.write(tmp_path / 'a.dcm', pixels, SeriesInstanceUID='1.2.3')
    assert dicom_series(tmp_path / 'a.dcm') == '1.2.3'
    dicom.write(tmp_path / 'a.dcm', pixels, SeriesInstanceUID='')
    assert dicom_series(tmp_path / 'a.dcm') == ''
    (tmp_path / 'a.dcm').write_bytes(b'no dicom')
    with pytest.raises(ConversionError, match=r'a\.dcm is truncated or damaged'):
        dicom_series(tmp_path / 'a.dcm')


@pytest.mark.parametrize('read', [read_nifti, read_dicom])
def test_a_missing_file_is_an_os_error(tmp_path, read):
    with pytest.raises(FileNotFoundError, match='nothing'):
        read(tmp_path / 'nothing')


@pytest.mark.parametrize(
    ('read', 'name', 'kind'), [(read_nifti, 'nibabel', 'NIfTI'), (read_dicom, 'pydicom', 'DICOM')]
)
def test_a_missing_library_is_one_sentence(tmp_path, monkeypatch, read, name, kind):
    def fail(module):
        raise ImportError(module)

    (tmp_path / 'a').write_bytes(b'')
    monkeypatch.setattr(importlib, 'import_module', fail)
    with pytest.raises(ConversionError, match=f'reading {kind} files needs {name}: pip install'):
        read(tmp_path / 'a')

import gzip
import struct

import numpy as np
import pytest

from mmseg_attn.errors import DamagedError, DataError, TooLargeError, UnsupportedError
from mmseg_attn.io import open_nifti, read_nifti

nibabel = pytest.importorskip('nibabel', reason='needs nibabel: install mmseg_attn[medical]')


@pytest.fixture
def volume():
    return np.random.default_rng(0).integers(-1000, 1000, (6, 5, 4), dtype=np.int16)


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
        with pytest.raises(DamagedError, match=f'{name} is truncated or damaged'):
            read_nifti(path)


def test_a_flipped_bit_in_compressed_nifti_is_refused(tmp_path, volume):
    path = tmp_path / 'a.nii.gz'
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), path)
    data = bytearray(path.read_bytes())
    data[-5] ^= 1  # the checksum
    path.write_bytes(data)
    with pytest.raises(DataError, match=r'a\.nii\.gz is truncated or damaged: CRC'):
        read_nifti(path)


def test_a_claim_of_terabytes_is_refused(tmp_path, volume):
    path = tmp_path / 'a.nii'
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), path)
    data = bytearray(path.read_bytes())
    data[42:48] = np.array([30000, 30000, 30000], dtype='<i2').tobytes()
    path.write_bytes(gzip.compress(data))
    with pytest.raises(DataError, match='54000000000000 bytes of values in'):
        read_nifti(path)


def test_other_volumes_are_refused(tmp_path, volume):
    path = tmp_path / 'a.nii'
    nibabel.save(nibabel.Nifti1Image(volume[..., None].repeat(2, 3), np.eye(4)), path)
    with pytest.raises(DataError, match=r'has 4 axes: save one volume per file'):
        read_nifti(path)
    values = volume.astype(np.float32)
    values[1, 2, 3] = np.nan
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)
    with pytest.raises(DataError, match=r'a\.nii holds values that are no finite numbers'):
        read_nifti(path)


def test_the_libraries_of_both_kinds_agree(tmp_path, volume):
    """Two-file numbers aside, NIfTI-2 differs in its header alone."""
    for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image):
        for order in '<>':
            header = kind.header_class(endianness=order)
            nibabel.save(kind(volume, np.eye(4), header, dtype=np.int16), tmp_path / 'a.nii.gz')
            read = read_nifti(tmp_path / 'a.nii.gz')
            assert read.dtype == np.dtype('=i2')
            np.testing.assert_array_equal(read, volume)


def patched(path, offset: int, form: str, *values) -> None:
    """Overwrite a part of header."""
    data = bytearray(path.read_bytes())
    struct.pack_into(form, data, offset, *values)
    path.write_bytes(data)


@pytest.mark.parametrize('slope', [0.0, np.nan, np.inf, -np.inf])
def test_no_slope_is_no_scaling(tmp_path, volume, slope):
    """ "If the scl_slope field is nonzero, then each voxel value should be scaled" (nifti1.h)."""
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / 'a.nii')
    patched(tmp_path / 'a.nii', 112, '<2f', slope, 5.0)
    np.testing.assert_array_equal(read_nifti(tmp_path / 'a.nii'), volume)


def test_a_slope_without_intercept_is_named(tmp_path, volume):
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / 'a.nii')
    patched(tmp_path / 'a.nii', 112, '<2f', 2.0, np.nan)
    with pytest.raises(UnsupportedError, match=r'an unsupported header .Valid .* intercept'):
        read_nifti(tmp_path / 'a.nii')


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        (np.ones((2, 2), np.complex64), 'holds complex values: save it in gray'),
        (np.zeros((2, 2), [(c, 'u1') for c in 'RGB']), 'holds color values: save it in gray'),
        (np.ones((2, 2, 2, 3), np.uint8), 'has 4 axes: give one volume per file'),
    ],
)
def test_what_is_no_gray_volume_is_named(tmp_path, values, message):
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / 'a.nii')
    with pytest.raises(UnsupportedError, match=message):
        read_nifti(tmp_path / 'a.nii')


def test_large_volumes_are_told_from_damaged_ones(tmp_path, volume, monkeypatch):
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / 'a.nii')
    monkeypatch.setenv('MMSEG_ATTN_MAX_IMAGE_GIB', str(volume.nbytes / 2**30))
    read_nifti(tmp_path / 'a.nii')
    monkeypatch.setenv('MMSEG_ATTN_MAX_IMAGE_GIB', str((volume.nbytes - 1) / 2**30))
    with pytest.raises(TooLargeError, match=r'has 6x5x4 pixels, .* MMSEG_ATTN_MAX_IMAGE_GIB'):
        read_nifti(tmp_path / 'a.nii')
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / 'a.nii.gz')
    with pytest.raises(TooLargeError, match='unpacks to more than the limit'):
        read_nifti(tmp_path / 'a.nii.gz')


AFFINE = np.array([[0, -0.5, 0, 3], [0.25, 0, 0, 5], [0, 0, 4, 7], [0, 0, 0, 1]])


@pytest.mark.parametrize(
    ('unit', 'factor', 'notes'),
    [
        ('mm', 1, []),
        ('micron', 1e-3, []),
        ('meter', 1e3, []),
        ('unknown', 1, ['has no unit of length: millimeters are assumed']),
    ],
)
def test_units_of_length(tmp_path, volume, unit, factor, notes):
    image = nibabel.Nifti1Image(volume, AFFINE)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / 'a.nii')
    header = open_nifti(tmp_path / 'a.nii')[1]
    assert header.pixel_area == pytest.approx(0.5 * 0.25 * factor**2)
    assert header.voxel_volume == pytest.approx(0.5 * 0.25 * 4 * factor**3)
    assert header.notes == notes


def test_an_unknown_number_for_a_unit_is_no_unit(tmp_path, volume):
    nibabel.save(nibabel.Nifti1Image(volume, AFFINE), tmp_path / 'a.nii')
    patched(tmp_path / 'a.nii', 123, 'B', 7)
    header = open_nifti(tmp_path / 'a.nii')[1]
    assert header.voxel_volume == pytest.approx(0.5)
    assert header.notes == ['has no unit of length: millimeters are assumed']


def test_the_sform_counts_before_the_qform_and_the_spacing(tmp_path, volume):
    image = nibabel.Nifti1Image(volume, None)
    image.header.set_xyzt_units('mm')
    image.set_qform(np.diag([2.0, 2, 2, 1]), code=1)
    nibabel.save(image, tmp_path / 'a.nii')
    assert open_nifti(tmp_path / 'a.nii')[1].voxel_volume == pytest.approx(8)
    image.set_sform(np.diag([3.0, 3, 3, 1]), code=1)
    nibabel.save(image, tmp_path / 'a.nii')
    header = open_nifti(tmp_path / 'a.nii')[1]
    assert header.voxel_volume == pytest.approx(27)
    assert header.notes == [
        'has voxels of 2 x 2 x 2 mm in pixdim but 3 x 3 x 3 mm in its affine, which was used'
    ]


@pytest.mark.parametrize('behind', [bytes(64), b'junk', b'\x1f\x8bx'])
def test_bytes_behind_a_compressed_volume_do_not_matter(tmp_path, volume, behind):
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / 'a.nii')
    packed = gzip.compress((tmp_path / 'a.nii').read_bytes())
    (tmp_path / 'b.nii.gz').write_bytes(packed + behind)
    if behind.startswith(b'\x1f\x8b'):  # the start of another part
        with pytest.raises(DamagedError):
            read_nifti(tmp_path / 'b.nii.gz')
    else:
        np.testing.assert_array_equal(read_nifti(tmp_path / 'b.nii.gz'), volume)


@pytest.mark.parametrize(
    ('offset', 'values', 'message'),
    [
        (108, struct.pack('<f', 0), 'has vox_offset 0, which lies within its header'),
        (344, b'\0\0\0\0', 'has an unsupported header .magic string'),  # Analyze 7.5
        (0, b'\0\0\0\1', 'is no NIfTI file, whose first number is 348 or 540'),  # MGH
    ],
)
def test_headers_of_others_are_not_taken_for_damage(tmp_path, volume, offset, values, message):
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / 'a.nii')
    data = bytearray((tmp_path / 'a.nii').read_bytes())
    data[offset : offset + len(values)] = values
    (tmp_path / 'a.nii').write_bytes(data)
    with pytest.raises(UnsupportedError, match=message) as caught:
        read_nifti(tmp_path / 'a.nii')
    assert 'damaged' not in str(caught.value)


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError, match='nothing'):
        read_nifti(tmp_path / 'nothing')


@pytest.mark.usefixtures('no_libraries')
def test_a_missing_library_is_one_sentence(tmp_path):
    (tmp_path / 'a').write_bytes(b'')
    with pytest.raises(DataError, match='reading NIfTI files needs nibabel: pip install'):
        read_nifti(tmp_path / 'a')

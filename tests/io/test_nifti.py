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
    with pytest.raises(DataError, match=r'a\.nii contains values that are not finite'):
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
        (np.ones((2, 2), np.complex64), 'contains complex values: save it in gray'),
        (np.zeros((2, 2), [(c, 'u1') for c in 'RGB']), 'contains color values: save it in gray'),
        (np.ones((2, 2, 2, 3), np.uint8), 'has 4 axes: save one volume per file'),
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
        ('unknown', 1, ['no unit of length, so millimeters are assumed']),
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
    assert header.notes == ['no unit of length, so millimeters are assumed']


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
        'voxels of 2 x 2 x 2 mm in pixdim, but 3 x 3 x 3 mm in the affine, which was used'
    ]


FIELDS = {
    'sizeof_hdr': (0, 'i'),
    'dim[0]': (40, 'h'),
    'dim[1]': (42, 'h'),
    'dim[3]': (46, 'h'),
    'dim[4]': (48, 'h'),
    'datatype': (70, 'h'),
    'bitpix': (72, 'h'),
    'pixdim': (80, '3f'),
    'vox_offset': (108, 'f'),
    'qform_code': (252, 'h'),
    'sform_code': (254, 'h'),
    'quatern': (256, '3f'),
    'sform': (280, '12f'),
}


def with_fields(path, volume, order: str = '<', spacing=(2, 3, 4), **values) -> None:
    """Write a NIfTI-1 file whose sform and pixdim have a spacing, and overwrite fields."""
    header = nibabel.Nifti1Header(endianness=order)
    header.set_xyzt_units('mm')
    image = nibabel.Nifti1Image(volume, np.diag([*spacing, 1.0]), header, dtype=volume.dtype)
    nibabel.save(image, path)
    for name, value in values.items():
        offset, form = FIELDS[name]
        patched(path, offset, order + form, *np.atleast_1d(value).tolist())


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize(('bits', 'kind'), [(8, 4), (32, 4), (0, 4), (-16, 512)])
def test_a_bitpix_that_contradicts_the_datatype_is_named(tmp_path, volume, order, bits, kind):
    """nibabel uses the datatype, which the length of the file confirms here."""
    with_fields(tmp_path / 'a.nii', volume, order, bitpix=bits, datatype=kind)
    read, header = open_nifti(tmp_path / 'a.nii')
    np.testing.assert_array_equal(read, np.asarray(nibabel.load(tmp_path / 'a.nii').dataobj))
    note = f'bitpix {bits}, but 16 bits in datatype {kind}, which was used'
    assert header.notes == [note]


@pytest.mark.parametrize(
    ('kind', 'bits'), [(2, 8), (16, 32), (64, 64), (128, 24), (1792, 128)], ids=str
)
def test_a_datatype_that_the_length_does_not_confirm_is_refused(tmp_path, volume, kind, bits):
    """The values have 16 bits, as bitpix says."""
    with_fields(tmp_path / 'a.nii', volume, datatype=kind)
    message = f'has bitpix 16, but {bits} bits in datatype {kind}: correct its header'
    with pytest.raises(UnsupportedError, match=message):
        read_nifti(tmp_path / 'a.nii')


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize(
    ('field', 'value', 'message'),
    [
        ('dim[0]', -3, r'has -3 axes in dim\[0\], which must be from 1 to 7: correct its header'),
        ('dim[0]', 0, r'has 0 axes in dim\[0\]'),
        ('dim[0]', 8, r'has 8 axes in dim\[0\]'),
        ('dim[1]', -6, r'has dim\[1\] -6, but an axis has at least one voxel: correct its header'),
        ('dim[3]', 0, r'has dim\[3\] 0, but an axis'),
        ('vox_offset', np.nan, 'has vox_offset nan, which is not a position behind its header'),
        ('vox_offset', np.inf, 'has vox_offset inf, which'),
        ('vox_offset', -1, 'has vox_offset -1, which'),
        ('vox_offset', 351, 'has vox_offset 351, which .* of 352 bytes: save it again'),
    ],
)
def test_a_field_with_an_impossible_value_is_named(tmp_path, volume, order, field, value, message):
    """The bytes are intact, and nibabel reads most of these headers."""
    with_fields(tmp_path / 'a.nii', volume, order, **{field: value})
    with pytest.raises(UnsupportedError, match=message):
        read_nifti(tmp_path / 'a.nii')


def test_axes_beyond_the_number_of_axes_do_not_count(tmp_path, volume):
    with_fields(tmp_path / 'a.nii', volume, **{'dim[4]': -1})
    np.testing.assert_array_equal(read_nifti(tmp_path / 'a.nii'), volume)


NO_FORM = dict(sform_code=0, qform_code=0)
ONLY_QFORM = dict(sform_code=0, qform_code=1)
BAD_SFORM, BAD_QFORM = (
    f'singular or not finite {form}, so pixdim was used' for form in ('sform', 'qform')
)


@pytest.mark.parametrize(
    ('fields', 'spacing', 'notes'),
    [
        (dict(sform=[0] * 12, qform_code=0), (2, 3, 4), [BAD_SFORM]),
        (dict(sform=[np.nan] * 12, qform_code=0), (2, 3, 4), [BAD_SFORM]),
        (dict(sform=[2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0]), (2, 3, 4), [BAD_SFORM]),
        (
            dict(sform=[0] * 12, qform_code=1),
            (2, 3, 4),
            ['singular or not finite sform, so qform was used'],
        ),
        (
            dict(sform=[0] * 12, qform_code=1, quatern=[np.nan] * 3),
            (2, 3, 4),
            [BAD_SFORM, BAD_QFORM],
        ),
        (dict(ONLY_QFORM, quatern=[np.nan] * 3), (2, 3, 4), [BAD_QFORM]),
        (dict(NO_FORM, pixdim=[-2, -3, -4]), (2, 3, 4), []),
        (dict(NO_FORM, pixdim=[2, 3, 0]), (2, 3, 1), ['pixdim 0, so a spacing of 1 is assumed']),
        (
            dict(ONLY_QFORM, pixdim=[2, 3, 0]),
            (2, 3, 1),
            ['pixdim 0, so a spacing of 1 is assumed'],
        ),
        (dict(pixdim=[0, 0, 0]), (2, 3, 4), []),  # the sform has it
        (
            dict(NO_FORM, pixdim=[np.nan] * 3),
            None,
            ['pixdim that is not finite, so areas are unknown'],
        ),
    ],
)
def test_what_has_no_meaning_in_the_geometry_is_replaced_and_named(
    tmp_path, volume, fields, spacing, notes
):
    """The order is that of nibabel (sform, qform, pixdim), which does not check the matrices."""
    with_fields(tmp_path / 'a.nii', volume, **fields)
    header = open_nifti(tmp_path / 'a.nii')[1]
    assert header.notes == notes
    if spacing is None:
        assert header.pixel_area is header.voxel_volume is None
        return
    assert header.pixel_area == pytest.approx(spacing[0] * spacing[1])
    assert header.voxel_volume == pytest.approx(np.prod(spacing))
    given = nibabel.load(tmp_path / 'a.nii').affine
    if not notes or 'assumed' in notes[0]:
        np.testing.assert_array_equal(header.affine, given)


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
        (
            108,
            struct.pack('<f', 0),
            'has vox_offset 0, which is not a position behind its header of 352 bytes: save it',
        ),
        (
            344,
            b'\0\0\0\0',
            "has the magic string b'' and is not a NIfTI file: save it as NIfTI",
        ),  # Analyze 7.5
        (0, b'\0\0\0\1', 'is not a NIfTI file, as its first number is not 348 or 540'),  # MGH
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


@pytest.mark.parametrize(
    ('matrix', 'notes'),
    [
        (np.diag([2.0, 2, 2, 1]), []),
        (np.diag([-2.0, 2, 2, 1]), ['qform']),  # mirrored
        (np.array([[2.0, 0, 0, 5], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]), ['qform']),  # moved
        (np.array([[2.0, 0, 0, 0.5], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]), []),
    ],
)
def test_a_qform_that_contradicts_the_sform_is_named(tmp_path, volume, matrix, notes):
    image = nibabel.Nifti1Image(volume, None)
    image.header.set_xyzt_units('mm')
    image.set_qform(matrix, code=1)
    image.set_sform(np.diag([2.0, 2, 2, 1]), code=1)
    nibabel.save(image, tmp_path / 'a.nii')
    found = open_nifti(tmp_path / 'a.nii')[1].notes
    assert len(found) == len(notes)
    assert all('the qform and the sform give voxels other positions' in note for note in found)

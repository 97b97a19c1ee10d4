import warnings

import numpy as np
import pytest

from mmseg_attn.errors import DamagedError, DataError, TooLargeError, UnsupportedError
from mmseg_attn.io import dicom_series, is_dicom, open_dicom, read_dicom, read_slices

pydicom = pytest.importorskip('pydicom', reason='needs pydicom: install mmseg_attn[medical]')

from pydicom.uid import ExplicitVRBigEndian  # noqa: E402

from tests.data import dicom  # noqa: E402


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 4096, (6, 5), dtype=np.uint16)


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
    np.testing.assert_array_equal(read_dicom(path), 65535 - pixels)
    small = (pixels // 16).astype(np.uint8)
    dicom.write(path, small, PhotometricInterpretation='MONOCHROME1')
    assert read_dicom(path).dtype == np.uint8
    np.testing.assert_array_equal(read_dicom(path), 255 - small)


@pytest.mark.parametrize(
    ('photometric', 'shape', 'notes'),
    [
        ('MONOCHROME1', 'INVERSE', []),
        ('MONOCHROME2', 'IDENTITY', []),
        (
            'MONOCHROME2',
            'INVERSE',
            ['PresentationLUTShape INVERSE contradicts MONOCHROME2, which was used'],
        ),
        (
            'MONOCHROME1',
            'IDENTITY',
            ['PresentationLUTShape IDENTITY contradicts MONOCHROME1, which was used'],
        ),
    ],
)
def test_two_polarities_are_a_contradiction(tmp_path, pixels, photometric, shape, notes):
    tags = dict(PhotometricInterpretation=photometric, PresentationLUTShape=shape)
    dicom.write(tmp_path / 'a.dcm', pixels, **tags)
    assert open_dicom(tmp_path / 'a.dcm')[1].notes == notes


def test_every_truncation_of_dicom_is_refused(tmp_path, pixels):
    path = tmp_path / 'a.dcm'
    dicom.write(path, pixels)
    data = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        for length in [*range(0, len(data), 9), *range(len(data) - 9, len(data))]:
            path.write_bytes(data[:length])
            with pytest.raises(DamagedError, match=r'a\.dcm is truncated or damaged') as caught:
                read_dicom(path)
            assert '\n' not in str(caught.value)


def test_other_dicom_is_refused(tmp_path, pixels):
    path = tmp_path / 'a.dcm'
    dicom.write(path, np.stack([pixels] * 3), NumberOfFrames=3)
    with pytest.raises(DataError, match=r'has values of shape .3, 6, 5.: save one'):
        read_dicom(path)
    colors = np.zeros((6, 5, 3), np.uint8)
    tags = dict(SamplesPerPixel=3, PhotometricInterpretation='RGB', PlanarConfiguration=0)
    dicom.write(path, colors, **tags)
    with pytest.raises(DataError, match=r'a\.dcm has values of shape \(6, 5, 3\): save one'):
        read_dicom(path)


def test_series_of_dicom(tmp_path, pixels):
    dicom.write(tmp_path / 'a.dcm', pixels, SeriesInstanceUID='1.2.3')
    assert dicom_series(tmp_path / 'a.dcm') == '1.2.3'
    dicom.write(tmp_path / 'a.dcm', pixels, SeriesInstanceUID='')
    assert dicom_series(tmp_path / 'a.dcm') == ''
    (tmp_path / 'a.dcm').write_bytes(b'no dicom')
    with pytest.raises(DataError, match=r'a\.dcm is truncated or damaged'):
        dicom_series(tmp_path / 'a.dcm')


@pytest.mark.parametrize(
    ('bits', 'kind', 'stored', 'light'),
    [
        (12, np.uint16, [0, 1, 4095], [4095, 4094, 0]),
        (16, np.uint16, [0, 1, 65535], [65535, 65534, 0]),
        (8, np.uint8, [0, 1, 255], [255, 254, 0]),
        (12, np.int16, [-2048, 0, 2047], [2047, -1, -2048]),
        (16, np.int16, [-32768, 5, 32767], [32767, -6, -32768]),
    ],
)
def test_monochrome1_is_inverted_within_its_bits(tmp_path, bits, kind, stored, light):
    """Both polarities of one picture are the same values, so that one window serves both."""
    for tags, values in ((dict(PhotometricInterpretation='MONOCHROME1'), stored), (dict(), light)):
        dicom.write(tmp_path / 'a.dcm', np.array([values], kind), BitsStored=bits, **tags)
        read = read_dicom(tmp_path / 'a.dcm')
        assert read.dtype == kind
        np.testing.assert_array_equal(read, [light])
    scale = dict(RescaleSlope=2, RescaleIntercept=-10)
    dicom.write(tmp_path / 'a.dcm', np.array([stored], kind), BitsStored=bits, **tags, **scale)
    dicom.write(
        tmp_path / 'b.dcm',
        np.array([stored], kind),
        BitsStored=bits,
        PhotometricInterpretation='MONOCHROME1',
        **scale,
    )
    np.testing.assert_array_equal(read_dicom(tmp_path / 'b.dcm'), [2.0 * np.array(light) - 10])


@pytest.mark.parametrize(
    ('tags', 'slope', 'intercept'),
    [
        (dict(), 1, 0),
        (dict(RescaleSlope=None, RescaleIntercept=None), 1, 0),
        (dict(RescaleSlope='', RescaleIntercept=''), 1, 0),
        (dict(RescaleSlope=3), 3, 0),
        (dict(RescaleIntercept=-7), 1, -7),
        (dict(RescaleSlope='0.5', RescaleIntercept=None), 0.5, 0),
    ],
)
def test_missing_and_empty_rescaling_has_the_defaults(tmp_path, pixels, tags, slope, intercept):
    dicom.write(tmp_path / 'a.dcm', pixels, **tags)
    np.testing.assert_array_equal(
        read_dicom(tmp_path / 'a.dcm'), slope * pixels.astype(float) + intercept
    )


def test_a_modality_table_is_applied(tmp_path):
    table = pydicom.Dataset()
    table.LUTDescriptor = [4, 0, 16]
    table.LUTData = np.array([100, 7, 50, 9], '<u2').tobytes()
    table.ModalityLUTType = 'US'
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        dicom.write(
            tmp_path / 'a.dcm', np.array([[0, 1, 2, 3]], np.uint16), ModalityLUTSequence=[table]
        )
    np.testing.assert_array_equal(read_dicom(tmp_path / 'a.dcm'), [[100, 7, 50, 9]])


def test_bits_that_hold_no_value_do_not_count(tmp_path):
    """PS3.5, 8.1.1: above BitsStored there may be anything, overlays in old files."""
    values = np.array([[5, 5 | 1 << 12, 4095, 4095 | 3 << 13]], np.uint16)
    dicom.write(tmp_path / 'a.dcm', values, BitsStored=12)
    np.testing.assert_array_equal(read_dicom(tmp_path / 'a.dcm'), [[5, 5, 4095, 4095]])
    dicom.write(tmp_path / 'a.dcm', values, BitsStored=12, PixelRepresentation=1)
    np.testing.assert_array_equal(read_dicom(tmp_path / 'a.dcm'), [[5, 5, -1, -1]])


def test_eight_bits_in_sixteen_are_eight(tmp_path, pixels):
    dicom.write(tmp_path / 'a.dcm', pixels % 256, BitsStored=8)
    read = read_dicom(tmp_path / 'a.dcm')
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, pixels % 256)


@pytest.mark.parametrize('implicit', [True, False])
def test_files_without_preamble_and_meta_information(tmp_path, pixels, implicit):
    dicom.write(tmp_path / 'a.dcm', pixels)
    bare = pydicom.Dataset()
    bare.update(pydicom.dcmread(tmp_path / 'a.dcm'))
    if hasattr(pydicom, 'pixels'):  # pydicom 3
        pydicom.dcmwrite(tmp_path / 'bare', bare, implicit_vr=implicit, little_endian=True)
    else:
        bare.is_implicit_VR, bare.is_little_endian = implicit, True
        bare.save_as(tmp_path / 'bare')
    assert (tmp_path / 'bare').read_bytes()[128:132] != b'DICM'
    assert is_dicom(tmp_path / 'bare')
    np.testing.assert_array_equal(read_dicom(tmp_path / 'bare'), pixels)


@pytest.mark.parametrize(
    ('tags', 'message'),
    [
        (
            dict(PhotometricInterpretation='PALETTE COLOR'),
            r'is in color \(PALETTE COLOR\)',
        ),
        (dict(HighBit=15, BitsStored=12), 'has HighBit 15 with BitsStored 12: save it with'),
        (dict(RescaleSlope=0), 'has RescaleSlope 0, so that all values are the same'),
        (
            dict(RescaleSlope='1e999'),
            'has a value of RescaleSlope that is not a number .*: correct it',
        ),
    ],
)
def test_what_has_no_meaning_that_is_shared_is_named(tmp_path, pixels, tags, message):
    dicom.write(tmp_path / 'a.dcm', pixels, **tags)
    with pytest.raises(UnsupportedError, match=message):
        read_dicom(tmp_path / 'a.dcm')


def test_objects_without_pixels_are_named(tmp_path):
    file = dicom.file(tmp_path / 'DICOMDIR', '1.2.840.10008.1.3.10')
    file.save_as(tmp_path / 'DICOMDIR')
    with pytest.raises(UnsupportedError, match=r'is a Media Storage Directory .* an image: remove'):
        read_dicom(tmp_path / 'DICOMDIR')
    file = dicom.file(tmp_path / 'a.dcm', '1.2.840.10008.5.1.4.1.1.88.11')
    file.save_as(tmp_path / 'a.dcm')
    with pytest.raises(
        UnsupportedError, match=r'is a Basic Text SR Storage object without an image:'
    ):
        read_dicom(tmp_path / 'a.dcm')


def test_compression_that_nothing_decodes_is_named(tmp_path, pixels):
    file = dicom.file(tmp_path / 'a.dcm')
    file.file_meta.TransferSyntaxUID = '1.2.840.10008.1.2.4.100'  # MPEG2
    dicom.fill(file, pixels)
    file.PixelData = pydicom.encaps.encapsulate([b'\0' * 10])
    file['PixelData'].is_undefined_length = True
    file.save_as(tmp_path / 'a.dcm')
    with pytest.raises(UnsupportedError, match=r'as MPEG2 .* which no installed'):
        read_dicom(tmp_path / 'a.dcm')


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
def test_the_area_of_a_pixel(tmp_path, pixels, spacing, area):
    dicom.write(tmp_path / 'a.dcm', pixels, **spacing)
    assert open_dicom(tmp_path / 'a.dcm')[1].pixel_area == area


def test_columns_and_rows_lie_where_the_standard_has_them(tmp_path, pixels):
    """PS3.3, C.7.6.2.1.1: rows are PixelSpacing[0] apart, along the second direction."""
    tags = dict(
        PixelSpacing=[0.5, 0.25],
        ImagePositionPatient=[1, 2, 3],
        ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
    )
    dicom.write(tmp_path / 'a.dcm', pixels, **tags)
    affine = open_dicom(tmp_path / 'a.dcm')[1].affine
    np.testing.assert_allclose(affine @ [4, 2, 0, 1], [1, 2 + 4 * 0.25, 3 - 2 * 0.5, 1])


def test_large_files_are_told_from_damaged_ones(tmp_path, pixels, monkeypatch):
    dicom.write(tmp_path / 'a.dcm', pixels)
    monkeypatch.setenv('MMSEG_ATTN_MAX_IMAGE_GIB', str((pixels.nbytes - 1) / 2**30))
    with pytest.raises(TooLargeError, match=r'has 6x5 pixels, .* MMSEG_ATTN_MAX_IMAGE_GIB'):
        read_dicom(tmp_path / 'a.dcm')


@pytest.mark.parametrize('each', [False, True])
def test_enhanced_objects_keep_their_header_in_functional_groups(tmp_path, pixels, each):
    """PS3.3, C.7.6.16: for all frames or for each."""
    tags = dict(
        RescaleSlope=2,
        RescaleIntercept=-1024,
        PixelSpacing=[0.5, 0.25],
        ImagePositionPatient=[1, 2, 3],
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
    )
    file = dicom.file(tmp_path / 'a.dcm')
    dicom.fill(file, pixels, **tags)
    dicom.enhance(file, each=each)
    assert not set(tags) & set(file.dir())
    file.save_as(tmp_path / 'a.dcm')
    values, header = open_dicom(tmp_path / 'a.dcm')
    np.testing.assert_array_equal(values, pixels * 2.0 - 1024)
    assert header.pixel_area == pytest.approx(0.125)
    np.testing.assert_allclose(header.affine[:3, 3], [1, 2, 3])


def test_values_of_a_wrong_length_are_damage(tmp_path, pixels):
    """pydicom meets them when they are asked for."""
    dicom.write(tmp_path / 'a.dcm', pixels)
    data = (tmp_path / 'a.dcm').read_bytes()
    place = data.index(b'\x28\0\x03\x01US\x02\0') + 6  # the length of PixelRepresentation
    (tmp_path / 'a.dcm').write_bytes(data[:place] + b'\3' + data[place + 1 :])
    with pytest.raises(DamagedError, match='damaged: PixelRepresentation: '):
        dicom_series(tmp_path / 'a.dcm')
    with pytest.raises(DamagedError, match='truncated or damaged'):
        read_dicom(tmp_path / 'a.dcm')


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError, match='nothing'):
        read_dicom(tmp_path / 'nothing')


@pytest.mark.usefixtures('no_libraries')
def test_a_missing_library_is_one_sentence(tmp_path):
    (tmp_path / 'a').write_bytes(b'')
    with pytest.raises(DataError, match='reading DICOM files needs pydicom: pip install'):
        read_dicom(tmp_path / 'a')


def test_labels_are_not_inverted(tmp_path):
    labels = np.array([[0, 255], [255, 255]], np.uint8)
    dicom.write(tmp_path / 'a.dcm', labels, PhotometricInterpretation='MONOCHROME1')
    np.testing.assert_array_equal(read_dicom(tmp_path / 'a.dcm', labels=True), labels)
    np.testing.assert_array_equal(read_slices(tmp_path / 'a.dcm', mask=True), labels[None])
    np.testing.assert_array_equal(read_slices(tmp_path / 'a.dcm'), 255 - labels[None])


def test_big_endian_values_come_in_the_order_of_the_machine(tmp_path):
    values = np.array([[1, 258], [513, 4]], np.uint16)
    new = dicom.file(tmp_path / 'a.dcm')
    new.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dicom.fill(new, values)
    new.PixelData = values.astype('>u2').tobytes()
    if hasattr(new, 'set_original_encoding'):
        new.set_original_encoding(False, False)
    else:  # pydicom 2
        new.is_implicit_VR = new.is_little_endian = False
    new.save_as(tmp_path / 'a.dcm')
    read = read_dicom(tmp_path / 'a.dcm')
    assert read.dtype == np.dtype('=u2')
    assert read.dtype.isnative
    np.testing.assert_array_equal(read, values)


def test_bits_that_are_not_stated_are_not_quoted(tmp_path, pixels):
    new = dicom.file(tmp_path / 'a.dcm')
    dicom.fill(new, pixels.astype(np.uint16), HighBit=11)
    del new.BitsStored
    new.save_as(tmp_path / 'a.dcm')
    with pytest.raises(UnsupportedError, match='HighBit 11 with no BitsStored and BitsAllocated'):
        read_dicom(tmp_path / 'a.dcm')

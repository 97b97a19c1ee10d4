import random
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from mmseg_attn.errors import DamagedError, DataError, TooLargeError, UnsupportedError
from mmseg_attn.io import decode_image, explain, read_gray8, read_images, read_slices, write_png


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)


@pytest.mark.parametrize(
    ('name', 'options'),
    [('a.png', {}), ('a.tif', {}), ('b.tif', dict(compression='tiff_lzw'))],
)
def test_reads_what_was_written(tmp_path, pixels, name, options):
    Image.fromarray(pixels).save(tmp_path / name, **options)
    np.testing.assert_array_equal(read_gray8(tmp_path / name), pixels)


def test_write_png_is_deterministic_grayscale(tmp_path, pixels):
    write_png(tmp_path / 'a.png', pixels)
    write_png(tmp_path / 'b.png', pixels[:, :])
    assert (tmp_path / 'a.png').read_bytes() == (tmp_path / 'b.png').read_bytes()
    assert Image.open(tmp_path / 'a.png').mode == 'L'


@pytest.mark.parametrize('name', ['a.png', 'a.tif'])
@pytest.mark.parametrize('lenient', [False, True])
def test_every_truncation_is_refused(tmp_path, pixels, monkeypatch, name, lenient):
    monkeypatch.setattr(ImageFile, 'LOAD_TRUNCATED_IMAGES', lenient)
    path = tmp_path / name
    Image.fromarray(pixels).save(path)
    data = path.read_bytes()
    for length in [*range(0, len(data), 7), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(DataError, match=f'{name} is truncated or damaged'):
            read_gray8(path)
    assert lenient is ImageFile.LOAD_TRUNCATED_IMAGES  # left as it was


@pytest.mark.parametrize('mode', ['1', 'P', 'RGB', 'RGBA', 'LA', 'I;16'])
def test_other_modes_are_refused(tmp_path, mode):
    Image.new(mode, (4, 4)).save(tmp_path / 'a.png')
    with pytest.raises(
        DataError, match=rf'a\.png has the mode {mode} instead of one 8-bit channel:'
    ):
        read_gray8(tmp_path / 'a.png')


def test_several_pages_are_refused(tmp_path, pixels):
    page = Image.fromarray(pixels)
    page.save(tmp_path / 'a.tif', save_all=True, append_images=[page])
    with pytest.raises(DataError, match=r'a\.tif has 2 pages of mode L instead of one:'):
        read_gray8(tmp_path / 'a.tif')


@pytest.mark.parametrize('kind', ['JPEG', 'GIF', 'BMP', 'WEBP', 'PPM'])
def test_other_formats_are_refused_by_their_name(tmp_path, pixels, kind):
    Image.fromarray(pixels).save(tmp_path / 'a.png', format=kind)
    with pytest.raises(UnsupportedError, match=rf'a\.png is a {kind} file and not a PNG or TIFF:'):
        read_gray8(tmp_path / 'a.png')


def test_a_claim_of_gigabytes_is_refused(tmp_path):
    path = tmp_path / 'a.png'
    Image.new('L', (40000, 1)).save(path)
    data = bytearray(path.read_bytes())
    data[20:24] = (40000).to_bytes(4, 'big')  # the height: 1.6 gigapixels in a few bytes
    path.write_bytes(data)
    with pytest.raises(DataError, match=r'a\.png is truncated or damaged'):
        read_gray8(path)


@pytest.mark.parametrize('name', ['a.png', 'a.jpg', 'a.tif', 'a.dcm', 'a.nii'])
@pytest.mark.parametrize(
    ('start', 'kind'),
    [
        (b'\0\0\0\x18ftypheic', 'HEIC'),
        (b'\0\0\0\x1cftypavif', 'AVIF'),
        (b'\xff\x0a', 'JPEG XL'),
        (b'<!DOCTYPE html><title>404', 'HTML'),
        (b'%PDF-1.7', 'PDF'),
        (b'NRRD0005', 'NRRD'),
        (b'SIMPLE  =', 'FITS'),
    ],
)
def test_files_under_a_wrong_name_are_called_what_they_are(tmp_path, name, start, kind):
    for library in ('pydicom', 'nibabel'):
        pytest.importorskip(library)
    (tmp_path / name).write_bytes(start + bytes(600))
    with pytest.raises(UnsupportedError, match=rf'{name} is a {kind} file and '):
        read_slices(tmp_path / name)


@pytest.mark.parametrize('name', ['a.png', 'a.jpg', 'a.tif', 'a.dcm', 'a.nii'])
def test_a_pointer_of_git_lfs_is_named(tmp_path, name):
    for library in ('pydicom', 'nibabel'):
        pytest.importorskip(library)
    (tmp_path / name).write_bytes(b'version https://git-lfs.github.com/spec/v1\noid sha256:4d\n')
    with pytest.raises(UnsupportedError, match=rf"{name} is a Git LFS pointer: run 'git lfs pull'"):
        read_slices(tmp_path / name)


def claimed(image: bytes, width: int, height: int) -> bytes:
    """A PNG that claims a size, with a correct checksum."""
    header = b'IHDR' + struct.pack('>II', width, height) + image[24:29]
    return image[:12] + header + struct.pack('>I', zlib.crc32(header)) + image[33:]


def test_a_claim_that_the_data_cannot_keep_is_damage(pixels, tmp_path):
    write_png(tmp_path / 'a.png', pixels)
    with pytest.raises(DamagedError, match='its data are too short for its size'):
        read_images(claimed((tmp_path / 'a.png').read_bytes(), 40000, 40000), name='a.png')


def test_sound_images_beyond_pillows_limit_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)  # of 178956970, to be quick
    pixels = np.arange(600, dtype=np.uint8).reshape(20, 30)
    for name in ('a.png', 'a.tif'):
        Image.fromarray(pixels).save(tmp_path / name)
        np.testing.assert_array_equal(read_gray8(tmp_path / name), pixels)
    assert Image.MAX_IMAGE_PIXELS == 100  # left as it was


@pytest.mark.parametrize('name', ['a.png', 'a.jpg', 'a.tif'])
def test_the_limit_is_named_with_the_way_to_raise_it(tmp_path, pixels, monkeypatch, name):
    Image.fromarray(pixels).save(tmp_path / name)
    monkeypatch.setenv('MMSEG_ATTN_MAX_IMAGE_GIB', str(599 / 2**30))
    with pytest.raises(TooLargeError, match=r'has 30x20 pixels, .* than the limit .*tiles, or'):
        read_images((tmp_path / name).read_bytes(), name=name)
    monkeypatch.setenv('MMSEG_ATTN_MAX_IMAGE_GIB', str(600 / 2**30))
    assert len(read_images((tmp_path / name).read_bytes(), name=name)) == 1
    monkeypatch.setenv('MMSEG_ATTN_MAX_IMAGE_GIB', 'much')
    with pytest.raises(DataError, match="MMSEG_ATTN_MAX_IMAGE_GIB is 'much': set it to a number"):
        read_images((tmp_path / name).read_bytes(), name=name)


@pytest.mark.parametrize(
    ('channels', 'mode'),
    [(1, 'I;16'), (3, 'RGB of uint16'), (4, 'RGBA of uint16')],
)
def test_png_of_16_bits_keep_them(channels, mode):
    deep = np.random.default_rng(0).integers(0, 2**16, (5, 7, channels), dtype=np.uint16)
    bgr = deep[..., [2, 1, 0, 3][:channels]] if channels > 1 else deep
    (image,) = read_images(cv2.imencode('.png', bgr)[1].tobytes(), name='a.png')
    assert (image.mode, image.bits, image.pixels.dtype) == (mode, 16, np.uint16)
    np.testing.assert_array_equal(image.pixels, deep.squeeze())


def test_long_texts_beside_the_pixels_do_not_matter(tmp_path, pixels):
    text = PngInfo()
    text.add_itxt('XML', 'x' * 3 * 2**20, zip=True)  # Pillow reads one MiB
    Image.fromarray(pixels).save(tmp_path / 'a.png', pnginfo=text)
    np.testing.assert_array_equal(read_gray8(tmp_path / 'a.png'), pixels)


@pytest.mark.parametrize(
    ('marker', 'bits', 'what'),
    [(0xC1, 12, 'is a JPEG with 12 bits per color'), (0xC3, 8, 'is a lossless JPEG')],
)
def test_kinds_of_jpeg_that_few_decoders_know_are_named(tmp_path, pixels, marker, bits, what):
    Image.fromarray(pixels).save(tmp_path / 'a.jpg')
    data = (tmp_path / 'a.jpg').read_bytes()
    at = data.index(b'\xff\xc0')
    data = data[: at + 1] + bytes([marker]) + data[at + 2 : at + 4] + bytes([bits]) + data[at + 5 :]
    with pytest.raises(UnsupportedError, match=f'{what}: save it as a PNG or TIFF'):
        read_images(data, name='a.jpg', formats=('JPEG',))


def test_jpeg_ls_is_named():
    """With the header of SPIFF or without."""
    for marker in (b'\xff\xe8\0\x04ab', b''):
        data = b'\xff\xd8' + marker + b'\xff\xf7\0\x0b\x08' + bytes(50)
        with pytest.raises(UnsupportedError, match='is a JPEG-LS file: save it as a PNG or TIFF'):
            read_images(data, name='a.jpg', formats=('JPEG',))


@pytest.mark.parametrize(
    ('start', 'kind'),
    [
        (b'\0\0\0\x18ftypheic', 'HEIC'),
        (b'\x89HDF\r\n\x1a\n', 'HDF5'),  # which Pillow knows, but hands to others
        (b'ZISRAWFILE', 'CZI'),
        (bytes(208) + b'MAP ', 'MRC'),
        (b'ObjectType = Image', 'MetaImage'),
    ],
)
def test_formats_that_are_not_read_are_no_damage(start, kind):
    with pytest.raises(UnsupportedError, match=f'is a {kind} file which is not supported: convert'):
        read_images(start + bytes(600), name='a')


def test_programs_are_not_called():
    """Pillow calls Ghostscript for EPS."""
    data = b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n'
    with pytest.raises(
        DamagedError, match='truncated or damaged, or not a readable image'
    ) as caught:
        read_images(data, name='a')
    assert isinstance(caught.value.__cause__, UnidentifiedImageError)


@pytest.mark.parametrize(('channels', 'mode'), [(1, 'I;16'), (3, 'RGB of uint16')])
def test_jpeg_2000_of_16_bits_keeps_them(channels, mode):
    """Pillow gives colors in 8 bits."""
    deep = np.random.default_rng(0).integers(0, 2**16, (40, 50, channels), dtype=np.uint16)
    bgr = deep[..., ::-1] if channels > 1 else deep
    lossless = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000]
    (image,) = read_images(cv2.imencode('.jp2', bgr, lossless)[1].tobytes(), name='a.jp2')
    assert (image.mode, image.bits, image.pixels.dtype) == (mode, 16, np.uint16)
    assert abs(image.pixels.astype(int) - deep.squeeze()).max() <= 1


@pytest.mark.parametrize(
    ('low', 'bits', 'message'),
    [
        (0, 12, None),  # Pillow multiplies them by 16
        (-2000, 16, 'is a JPEG 2000 file with 16 signed bits: save it as a TIFF'),  # and adds 32768
    ],
)
def test_depths_of_jpeg_2000(low, bits, message):
    imagecodecs = pytest.importorskip('imagecodecs', reason='needs imagecodecs')
    pixels = np.random.default_rng(0).integers(low, 2000, (40, 50)).astype('i2' if low else 'u2')
    options = dict(level=0, reversible=True, bitspersample=bits)
    data = imagecodecs.jpeg2k_encode(pixels, **options)
    np.testing.assert_array_equal(imagecodecs.jpeg2k_decode(data), pixels)
    if message:
        with pytest.raises(UnsupportedError, match=message):
            read_images(data, name='a.jp2')
        return
    (image,) = read_images(data, name='a.jp2')
    assert (image.mode, image.bits) == ('I;16', 12)
    np.testing.assert_array_equal(image.pixels, pixels)


@pytest.mark.parametrize(
    ('header', 'kind', 'message'),
    [
        (b'P5 7 5 255\n', 'u1', None),
        (b'P5\n# a comment\n7 5\n65535\n', '>u2', None),
        (b'P5 7 5 4095\n', '>u2', 'is a PNM file with the maximum 4095'),
        (b'P5 7 5 31\n', 'u1', 'is a PNM file with the maximum 31'),
        (b'P6 7 5 65535\n', '>u2', 'is a PNM file with the maximum 65535'),
    ],
)
def test_pnm_is_not_scaled(header, kind, message):
    values = np.arange(35 * (3 if header.startswith(b'P6') else 1)) % 32
    data = header + values.astype(kind).tobytes()
    if message:
        with pytest.raises(UnsupportedError, match=f'{message}, .* save it as a PNG or TIFF'):
            read_images(data, name='a.ppm')
    else:
        (image,) = read_images(data, name='a.ppm')
        np.testing.assert_array_equal(image.pixels, values.reshape(5, 7))


def test_animations_are_no_slices(tmp_path, pixels):
    image = Image.fromarray(pixels)
    for name in ('a.png', 'a.gif'):
        image.save(tmp_path / name, save_all=True, append_images=[image.rotate(90)])
        with pytest.raises(UnsupportedError, match=f'{name} is an animation of 2 images: save'):
            read_images((tmp_path / name).read_bytes(), name=name)


@pytest.mark.parametrize('orientation', [1, 3, 6, 8])
def test_jpegs_are_seen_upright(tmp_path, orientation):
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:8, :8] = 255
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(pixels).save(tmp_path / 'a.jpg', exif=exif, quality=100)
    (image,) = read_images((tmp_path / 'a.jpg').read_bytes(), name='a.jpg')
    turns = {1: 0, 3: 2, 6: -1, 8: 1}[orientation]
    seen = image.visible('a.jpg')
    np.testing.assert_array_equal(seen > 127, np.rot90(pixels, turns) > 127)


def test_why_a_loader_failed_on_a_sound_file(tmp_path, pixels):
    path = tmp_path / 'a.png'
    write_png(path, pixels)
    found = explain(cv2.error('what OpenCV says'), path)
    assert type(found) is UnsupportedError
    assert str(found).startswith(
        f'{path} is intact (30x20, L, 8 bits), but the loader in the config'
    )
    found = explain(Image.DecompressionBombError('too many'), path)
    assert type(found) is TooLargeError
    assert 'has 600 pixels, more than the 178956970 that Pillow reads' in str(found)
    found = explain(cv2.error('pixels <= CV_IO_MAX_IMAGE_PIXELS'), path)
    assert type(found) is TooLargeError
    assert 'raise the environment variable OPENCV_IO_MAX_IMAGE_PIXELS' in str(found)


def test_why_a_loader_failed_on_a_file_that_is_not_sound(tmp_path, pixels):
    path = tmp_path / 'a.png'
    write_png(path, pixels)
    path.write_bytes(path.read_bytes()[:-20])
    assert type(explain(AssertionError('failed to load image'), path)) is DamagedError
    path.write_bytes(b'')
    assert type(explain(cv2.error('!buf.empty()'), path)) is DamagedError
    path.write_bytes(b'a format of the user')
    found = explain(KeyError('x'), path)
    assert str(found) == f"{path} cannot be loaded (KeyError: 'x'): check the file and its loader"
    found = explain(KeyError('x'), tmp_path / 'nothing.png')
    assert str(found) == (
        f'{tmp_path}/nothing.png cannot be read (No such file or directory): check the path and '
        'permissions'
    )
    ours = DataError('one sentence')
    assert explain(ours, path) is ours


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'a\.png'):
        read_gray8(tmp_path / 'a.png')


@pytest.mark.parametrize('name', ['a.png', 'a.tif'])
def test_mutated_files_give_pixels_or_our_error(tmp_path, pixels, name):
    path = tmp_path / name
    Image.fromarray(pixels).save(path)
    data, generator, refused = path.read_bytes(), random.Random(0), 0
    for _ in range(150):
        changed = bytearray(data)
        for _ in range(generator.choice([1, 4])):
            position = generator.choice([generator.randrange(len(data)), generator.randrange(120)])
            changed[position] = generator.randrange(256)
        path.write_bytes(changed)
        try:
            assert read_gray8(path).dtype == np.uint8
        except DataError:
            refused += 1
    assert refused > 20


@pytest.mark.parametrize('mode', ['L', 'P', 'RGB', 'I;16'])
def test_decode_image_keeps_the_mode(tmp_path, pixels, mode):
    image = Image.fromarray(pixels).convert(mode)
    image.save(tmp_path / 'a.png')
    decoded, found = decode_image((tmp_path / 'a.png').read_bytes(), name='a.png')
    assert found == mode
    np.testing.assert_array_equal(decoded, np.array(image))


@pytest.mark.parametrize('length', [0, 100, 300, -2])
def test_truncated_jpeg_is_refused(tmp_path, pixels, length):
    Image.fromarray(pixels).save(tmp_path / 'a.jpg')
    data = (tmp_path / 'a.jpg').read_bytes()
    assert decode_image(data, name='a', formats=['JPEG'])[0].shape == pixels.shape
    with pytest.raises(DataError, match='a is truncated or damaged'):
        decode_image(data[:length], name='a', formats=['JPEG'])

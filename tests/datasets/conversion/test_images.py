import random

import numpy as np
import pytest
from PIL import Image, ImageFile

from mmseg_attn.datasets.conversion import ConversionError, decode_image, read_gray8, write_png


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
        with pytest.raises(ConversionError, match=f'{name} is truncated or damaged'):
            read_gray8(path)
    assert lenient is ImageFile.LOAD_TRUNCATED_IMAGES  # left as it was


@pytest.mark.parametrize('mode', ['1', 'P', 'RGB', 'RGBA', 'LA', 'I;16'])
def test_other_modes_are_refused(tmp_path, mode):
    Image.new(mode, (4, 4)).save(tmp_path / 'a.png')
    with pytest.raises(ConversionError, match=f'a.png must have one 8-bit channel.*mode {mode}'):
        read_gray8(tmp_path / 'a.png')


def test_several_pages_are_refused(tmp_path, pixels):
    page = Image.fromarray(pixels)
    page.save(tmp_path / 'a.tif', save_all=True, append_images=[page])
    with pytest.raises(ConversionError, match=r'a\.tif must have one .* but has 2 of mode L'):
        read_gray8(tmp_path / 'a.tif')


def test_other_formats_are_refused(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / 'a.png', format='JPEG')
    with pytest.raises(ConversionError, match=r'a\.png is truncated or damaged'):
        read_gray8(tmp_path / 'a.png')


def test_a_claim_of_gigabytes_is_refused(tmp_path):
    path = tmp_path / 'a.png'
    Image.new('L', (40000, 1)).save(path)
    data = bytearray(path.read_bytes())
    data[20:24] = (40000).to_bytes(4, 'big')  # the height: 1.6 gigapixels in a few bytes
    path.write_bytes(data)
    with pytest.raises(ConversionError, match=r'a\.png is truncated or damaged'):
        read_gray8(path)


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
        except ConversionError:
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
    with pytest.raises(ConversionError, match='a is truncated or damaged'):
        decode_image(data[:length], name='a', formats=['JPEG'])

"""Which TIFF files Pillow may read alone: those with tags that it reads as they are stored."""

import io

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from mmseg_attn.io.tiff_tags import description, first_tags, is_plain

GRAY = np.arange(24, dtype=np.uint8).reshape(4, 6)
IMAGEJ, OME = 'ImageJ=1.53\nimages={}\nslices={}\n', '<OME><Pixels SizeZ="{}" SizeC="1"/></OME>'


def saved(image: Image.Image, *others: Image.Image, **tags) -> bytes:
    """A TIFF file that Pillow wrote with further tags, called ``t`` and their number."""
    file, info = io.BytesIO(), ImageFileDirectory_v2()
    options = dict(save_all=True, append_images=others) if others else {}
    if compression := tags.pop('compression', None):
        options['compression'] = compression
    for name, value in tags.items():
        info[int(name[1:])] = value
    image.save(file, format='TIFF', tiffinfo=info, **options)
    return file.getvalue()


gray = Image.fromarray(GRAY)


@pytest.mark.parametrize(
    ('data', 'plain'),
    [
        (saved(gray), True),
        (saved(gray.convert('RGB')), True),
        (saved(gray.convert('RGBA')), True),
        (saved(gray.convert('P')), True),
        (saved(Image.fromarray(GRAY.astype(np.uint16))), True),
        (saved(Image.fromarray(GRAY.astype(np.float32))), True),
        (saved(gray, compression='tiff_lzw'), True),
        (saved(gray, compression='tiff_adobe_deflate'), True),
        (saved(gray, t270=IMAGEJ.format(1, 1)), True),
        (saved(gray, t270=OME.format(1)), True),
        (saved(gray, t270='{"shape": [4, 6]}'), True),
        (saved(gray, t270='a description of 6 images=6'), True),
        (saved(gray, t270=IMAGEJ.format(6, 6)), False),
        (saved(gray, t270=IMAGEJ.format(12, 12)), False),
        (saved(gray, t270=OME.format(2)), False),
        (saved(gray, t270='{"shape": [6, 4, 6]}'), False),
        (saved(gray, gray), False),
        (saved(gray, t254=1), False),  # an overview
        (saved(gray, t254=4), False),  # a mask
        (saved(gray, t274=6), False),  # turned
        (saved(gray, t33628=1), False),  # a MetaMorph stack
        (saved(Image.fromarray(GRAY.astype(np.int32))), False),
        (saved(gray.convert('1')), False),
        (saved(gray.convert('CMYK')), False),
        (saved(gray.convert('LA')), False),
        (saved(gray.convert('RGB'), compression='jpeg'), True),
        (saved(gray.convert('YCbCr')), False),
        (saved(gray)[:40], False),
        (b'II*\0', False),
        (b'', False),
    ],
)
def test_plain_files(data, plain):
    assert is_plain(data) is plain


def test_descriptions_are_utf8_or_latin1():
    for text in ('0.5 µm', 'Größe', 'plain'):
        for coding in ('utf-8', 'latin-1'):
            encoded = text.encode(coding)
            data = saved(gray, t270='?' * max(len(encoded), 8))  # Pillow writes ASCII alone
            tags, _ = first_tags(data.replace(b'?' * max(len(encoded), 8), encoded.ljust(8, b'\0')))
            assert description(tags) == text
    assert description({}) == ''

"""Read the tags of TIFF files, and find the files that Pillow reads without changes."""

import contextlib
import io
import math
import re
import struct
import warnings
from typing import Any

from PIL.TiffImagePlugin import ImageFileDirectory_v2

STARTS = (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')  # the last two are of BigTIFF
SUBFILE, WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
FILL_ORDER, DESCRIPTION, ORIENTATION, SAMPLES, PLANAR = 266, 270, 274, 277, 284
PREDICTOR, COLORS, EXTRA, FORMAT, DEPTH = 317, 320, 338, 339, 32997
SEGMENTS = (273, 279, 324, 325)  # offsets and sizes of strips and tiles; 0 if missing (GDAL)
STACKS = (33628, 33629, 33630, 34361, 34412, 43314)  # MetaMorph, FluoView, LSM and NIH Image
UINT, FLOAT = 1, 3
WHITE_IS_ZERO, GRAY, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
DECODED = (1, 5, 8, 32773, 32946)  # none, LZW, Deflate and PackBits, for all builds of Pillow
# photometric, bits, sample format and extra samples of files that Pillow reads without changes
PLAIN = {
    (GRAY, (8,), UINT, ()),
    (GRAY, (16,), UINT, ()),
    (GRAY, (32,), FLOAT, ()),
    (RGB, (8, 8, 8), UINT, ()),
    (RGB, (8, 8, 8, 8), UINT, (1,)),
    (RGB, (8, 8, 8, 8), UINT, (2,)),
    (PALETTE, (8,), UINT, ()),
    (YCBCR, (8, 8, 8), UINT, ()),  # JPEG, which the decoder converts to RGB
}


def is_tiff(data: bytes) -> bool:
    """Return whether bytes begin like a TIFF file."""
    return data.startswith(STARTS)


def first_tags(data: bytes) -> tuple[dict[int, Any], bool]:
    """Read the tags of the first image of a TIFF file.

    Returns:
        The values by the numbers of the tags, and whether the file has only this image. If a value
        cannot be read, there are no values.
    """
    file = io.BytesIO(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            directory = ImageFileDirectory_v2(data[: 16 if b'+' in data[2:4] else 8])
            first = directory.next
            file.seek(first)
            directory.load(file)
            return dict(directory), directory.next in (0, first)
    except Exception:  # on damaged input Pillow raises nearly anything
        return {}, False


def description(tags: dict[int, Any]) -> str:
    """Return the description of a TIFF file; writers use UTF-8 instead of ASCII."""
    text = str(tags.get(DESCRIPTION, '')).rstrip('\0')
    with contextlib.suppress(UnicodeError):
        return text.encode('latin-1').decode('utf-8')  # Pillow decodes Latin-1
    return text


def is_plain(data: bytes) -> bool:
    """Return whether a TIFF file has one image that Pillow reads without changes."""
    tags, alone = first_tags(data)
    bits, extra, form = (
        _tuple(tags.get(tag, default)) for tag, default in ((BITS, 1), (EXTRA, ()), (FORMAT, UINT))
    )
    usual = {
        SUBFILE: (0, 2),
        FILL_ORDER: (1,),
        ORIENTATION: (1,),
        PLANAR: (1, 2) if len(bits) == 1 else (1,),
        PREDICTOR: (1,) if tags.get(COMPRESSION, 1) == 1 else (1, 2, 3),
        COMPRESSION: (*DECODED, 7) if bits[0] == 8 else DECODED,
        SAMPLES: (len(bits),),
        DEPTH: (1,),
    }
    kind = tags.get(PHOTOMETRIC), bits, form[0], extra
    if kind[0] == YCBCR:
        usual[COMPRESSION] = (7,)
    if form[0] == FLOAT and data.startswith(b'MM'):  # Pillow exchanges the bytes twice
        usual[COMPRESSION] = (1,)
    return (
        alone
        and kind in PLAIN
        and len(set(form)) == 1
        and all(tags.get(tag, values[0]) in values for tag, values in usual.items())
        and not any(tag in tags for tag in STACKS)
        and all(all(_tuple(tags.get(tag, 1))) for tag in SEGMENTS)
        and (kind[0] != PALETTE or max(_tuple(tags.get(COLORS, 0))) > 255)
        and not is_stack(tags)
    )


def select_page(data: bytearray, page: int) -> None:
    """Make a page the only one of a TIFF file, in place; other readers read the first page.

    Args:
        data: The bytes of the file.
        page: The position of the directory of the page.
    """
    order = '<' if data.startswith(b'II') else '>'
    first, count, entry, pointer = (8, 'Q', 20, 'Q') if b'+' in data[2:4] else (4, 'H', 12, 'I')
    (entries,) = struct.unpack_from(order + count, data, page)
    struct.pack_into(order + pointer, data, first, page)
    struct.pack_into(order + pointer, data, page + struct.calcsize(count) + entry * entries, 0)


def is_stack(tags: dict[int, Any]) -> bool:
    """Return whether the description names more images than the one in the directory."""
    text = description(tags)
    if text.startswith('ImageJ='):
        return bool(re.search(r'^images=0*([2-9]|1\d)', text, re.M))
    if text.startswith('{"') and '"shape"' in text:
        shape = re.search(r'"shape": \[([\d, ]+)\]', text)
        size = math.prod(int(tags.get(tag, 1)) for tag in (WIDTH, LENGTH, SAMPLES))
        return not shape or math.prod(map(int, shape[1].split(','))) != size
    return '<OME' in text and bool(re.search(r'\bSize[ZCT]="0*([2-9]|1\d)', text))


def _tuple(value: Any) -> tuple:
    return tuple(value) if isinstance(value, tuple | list) else (value,)

"""Read images with Pillow, strictly, and without its limits."""

import contextlib
import io
import math
import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageFile, PngImagePlugin, UnidentifiedImageError

from ..errors import DamagedError, DataError, TooLargeError, UnsupportedError, damaged
from .decoded import DecodedImage
from .depths import Depth, jpeg2000_depths, pnm_maximum
from .kinds import foreign, kind_of
from .limits import check_size, max_image_bytes

BYTES = {'I;16': 2, 'I;16B': 2, 'I;16L': 2, 'I': 4, 'F': 4}  # bytes per pixel; otherwise 1 per band
# Accepted formats; Pillow reduces others to 8 bits, or passes them to other programs
FORMATS = (
    'PNG',
    'JPEG',
    'TIFF',
    'JPEG2000',
    'BMP',
    'DIB',
    'GIF',
    'WEBP',
    'PPM',
    'TGA',
    'PCX',
    'ICO',
)
ALPHA = ('LA', 'La', 'PA', 'RGBA', 'RGBa')
ORIENTATION = 274  # EXIF tag
PNG, PNG_END = b'\x89PNG', b'IEND\xaeB`\x82'
JPEG = b'\xff\xd8\xff'
PNG_DEPTH, PNG_COLOR = 24, 25  # positions in the file
DEFLATE = 1040  # largest number of bytes of one compressed byte
# frames that few decoders support
LOSSLESS_JPEG, JPEG_LS = (0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF), 0xF7


def read_with_pillow(data: bytes, name: str | Path, formats: Sequence[str] | None) -> DecodedImage:
    """Read a file with one image with Pillow.

    Args:
        data: The bytes of the file.
        name: The file, for messages.
        formats: Pillow's names of the accepted formats; ``None`` accepts ``FORMATS``.

    Raises:
        DataError: As in ``read_images``.
    """
    if data.startswith(JPEG):
        _check_jpeg(data, name)
    with _strict_pillow(name):
        with _open(data, name, formats) as image:
            bands = len(image.getbands())
            check_size(name, image.size, bands * BYTES.get(image.mode, 1))
            if data.startswith(PNG) and math.prod(image.size) // 8 > len(data) * DEFLATE:
                raise damaged(name, 'its data are too short for its size')
            frames = 1 if image.format in ('MPO', 'TIFF') else getattr(image, 'n_frames', 1)
            if image.format == 'PPM':
                _check_pnm(data, name)
            if frames > 1:
                raise UnsupportedError(
                    f'{name} is an animation of {frames} images: save a single image'
                )
            image.verify()  # checksums; the image must be opened again afterwards
        with _open(data, name, formats) as image:
            image.load()
            decoded = _decoded(image, data, name)
    if data.startswith(PNG) and PNG_END not in data:
        raise damaged(name, 'its end is missing')
    return decoded


def _open(data: bytes, name: str | Path, formats: Sequence[str] | None) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=formats or FORMATS)
    except UnidentifiedImageError as error:
        expected = ' or '.join(formats or ['image'])
        known = kind_of(data)
        if known is None and formats is not None:
            with contextlib.suppress(UnidentifiedImageError), Image.open(io.BytesIO(data)) as other:
                known = other.format
        if known is not None and known.replace(' ', '') not in (formats or (*FORMATS, 'HTML')):
            instead = f'and not a {expected}' if formats else 'which is not supported'
            raise foreign(name, known, f'{instead}: convert it') from error
        raise DamagedError(
            f'{name} is truncated or damaged, or not a readable {expected}: get it again'
        ) from error


def _check_jpeg(data: bytes, name: str | Path) -> None:
    """Reject JPEG formats that few decoders support, by the header of the frame."""
    at = 2
    while at + 5 < len(data) and data[at] == 0xFF:
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], 'big')
        if marker == JPEG_LS:
            raise UnsupportedError(f'{name} is a JPEG-LS file: save it as a PNG or TIFF')
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            bits, lossless = data[at + 4], marker in LOSSLESS_JPEG
            if bits != 8 or lossless:
                kind = 'lossless JPEG' if lossless else f'JPEG with {bits} bits per color'
                raise UnsupportedError(f'{name} is a {kind}: save it as a PNG or TIFF')
            return
        at += 2 + size


def _check_pnm(data: bytes, name: str | Path) -> None:
    """Reject values that Pillow scales and other readers do not."""
    maximum = pnm_maximum(data)
    if maximum not in (None, 255) and (maximum != 65535 or data[1:2] in b'36'):
        raise UnsupportedError(
            f'{name} is a PNM file with the maximum {maximum}, which readers scale in '
            'different ways: save it as a PNG or TIFF'
        )


def _decoded(image: Image.Image, data: bytes, name: str | Path) -> DecodedImage:
    mode, pixels = image.mode, np.array(image)
    bits = 8 * BYTES.get(mode, 1) if mode != '1' else 1
    if data.startswith(PNG):
        bits = data[PNG_DEPTH]
        if bits == 16:
            mode, pixels = _deep_png(data)
    elif image.format == 'JPEG2000':
        depths = set(jpeg2000_depths(data))
        bits = max((depth.bits for depth in depths), default=8)
        if any(depth.bits != 8 or depth.signed for depth in depths):
            mode, pixels = _deep_jpeg2000(data, depths, name)
    palette = image.getpalette('RGB') if mode == 'P' else None
    return DecodedImage(
        pixels.astype(pixels.dtype.newbyteorder('='), copy=False),
        mode,
        bits,
        palette=None if palette is None else np.array(palette, np.uint8).reshape(-1, 3),
        alpha=mode.split()[0] in ALPHA,
        orientation=1 if image.format == 'TIFF' else image.getexif().get(ORIENTATION, 1),
    )


def _deep_png(data: bytes) -> tuple[str, np.ndarray]:
    """Decode a 16-bit PNG, of which Pillow keeps 8 bits if there are several channels."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    mode, channels = {
        0: ('I;16', 0),
        2: ('RGB of uint16', [2, 1, 0]),
        4: ('LA of uint16', [0, 3]),
        6: ('RGBA of uint16', [2, 1, 0, 3]),
    }[data[PNG_COLOR]]
    if pixels is None or pixels.dtype != np.uint16:
        raise ValueError('its 16 bits cannot be decoded')
    return mode, pixels if pixels.ndim == 2 else pixels[..., channels]


def _deep_jpeg2000(
    data: bytes, depths: Collection[Depth], name: str | Path
) -> tuple[str, np.ndarray]:
    """Decode JPEG 2000 of more than 8 bits, which Pillow scales to 16 bits, or 8 if in color."""
    kinds = {1: ('I;16', 0), 3: ('RGB of uint16', [2, 1, 0])}
    bits, signed, sampling = next(iter(depths))
    pixels = None
    if len(depths) == 1 and 8 < bits <= 16 and not signed and sampling == (1, 1):
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    count = 0 if pixels is None else 1 if pixels.ndim == 2 else pixels.shape[2]
    if count not in kinds or pixels.dtype != np.uint16 or pixels.max(initial=0) >= 2**bits:
        depth_names = ' and '.join(
            sorted(f'{depth.bits} {"signed " * depth.signed}bits' for depth in depths)
        )
        raise UnsupportedError(f'{name} is a JPEG 2000 file with {depth_names}: save it as a TIFF')
    mode, channels = kinds[count]
    return mode, pixels if pixels.ndim == 2 else pixels[..., channels]


@contextlib.contextmanager
def _strict_pillow(name: str | Path) -> Iterator[None]:
    """Read strictly and without the limits of Pillow, and convert its errors."""
    settings = (
        (ImageFile, 'LOAD_TRUNCATED_IMAGES', False),
        (Image, 'MAX_IMAGE_PIXELS', None),  # check_size
        (PngImagePlugin, 'MAX_TEXT_CHUNK', max_image_bytes()),
        (PngImagePlugin, 'MAX_TEXT_MEMORY', max_image_bytes()),
    )
    before = [getattr(module, key) for module, key, _ in settings]
    try:
        for module, key, value in settings:
            setattr(module, key, value)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    except DataError:
        raise
    except MemoryError as error:
        raise TooLargeError(f'{name} does not fit into the memory: cut it into tiles') from error
    except Exception as error:  # on damaged input Pillow raises nearly anything
        if isinstance(error, NotImplementedError) or re.search(
            '(de|en)coder .* not avail', str(error)
        ):
            raise UnsupportedError(
                f'{name} needs a decoder that this Pillow does not have ({error}): save it as a PNG'
            ) from error
        raise damaged(name, error) from error
    finally:
        for (module, key, _), value in zip(settings, before, strict=True):
            setattr(module, key, value)

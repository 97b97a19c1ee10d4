"""Files that are valid and unusual, and what an independent reader reads of them.

Each is drawn by chance from what its format allows. What it holds is known, because it is made
here, and is read once more by a library that is not behind our own reader of that kind: tifffile,
pydicom, nibabel, or imageio and imagecodecs.
"""

import gzip
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import imageio.v3 as imageio
import nibabel
import numpy as np
import pydicom
import tifffile
from PIL import Image

from tests.data import dicom

SIZE = 40, 56
WINDOW = 0.0, 1000.0  # of values of more than 8 bits
GRAY_WEIGHTS = 0.299, 0.587, 0.114
GAMMA = 0.45455
ORIENTATION = 274
TURNS = {1: 0, 3: 2, 6: -1, 8: 1}  # quarters, counterclockwise


@dataclass
class Unusual:
    """A file.

    Attributes:
        path: The file.
        slices: What a viewer shows of it, (H, W) or (H, W, C); ``None`` where readers do not agree.
        exact: Whether every decoder gives the same values, which those of JPEG do not.
        words: How it was made.
        turned: The same without EXIF's orientation, which OpenCV leaves out where it changes
            nothing else.
        gamma: Of a PNG, by which OpenCV turns its colors gray.
    """

    path: Path
    slices: list[np.ndarray] | None
    exact: bool
    words: str
    turned: np.ndarray | None = None
    gamma: float = 1.0


def smooth(chance: random.Random, kind: str = 'u1', channels: int = 1) -> np.ndarray:
    """An image (H, W) or (H, W, C) whose values fill most of what its type or WINDOW allows."""
    height, width = (side + chance.randrange(-9, 9) for side in SIZE)
    y, x = np.mgrid[:height, :width]
    bands = []
    for _ in range(channels):
        wave = np.sin(x / chance.uniform(4, 9)) + np.cos(y / chance.uniform(4, 9))
        bands.append((wave + 2) / 4)
    image = np.stack(bands, axis=-1)
    top = dict(u1=255, i1=127).get(kind, 900)
    image = image * top - (chance.choice([0, 100]) if kind[0] in 'if' and kind != 'i1' else 0)
    image = image if kind[0] == 'f' else image.round()
    return image.astype(kind)[..., 0] if channels == 1 else image.astype(kind)


def tiff(chance: random.Random, path: Path) -> Unusual:
    """TIFF over its tags, and what may surround an image in the file."""
    pixels, options, show = tiff_content(chance)
    lossless = [None] * 4 + ['zlib', 'lzw', 'packbits', 'zstd', 'lzma', 'jpeg2000']
    compression = options['compression'] = chance.choice([*lossless, 'jpeg'])
    if compression in ('zlib', 'lzw', 'zstd') and pixels.dtype != bool:
        options['predictor'] = chance.random() < 0.5
    if chance.random() < 0.3:
        options['tile'] = (16, 32)
    elif chance.random() < 0.5:
        options['rowsperstrip'] = chance.choice([1, 7, 16])
    tags = [(65000, 's', 0, 'a private text', False)] * (chance.random() < 0.3)
    turn = chance.choice([1] * 8 + [3, 6, 8])
    if turn > 1:
        tags.append((ORIENTATION, 'H', 1, turn, False))
    options['extratags'] = tags
    texts = ['Größe in µm'.encode(), '<OME>no', 'ImageJ=no', None, None, None]
    options['description'] = chance.choice(texts)
    around = chance.choice(
        ['alone'] * 4 + ['pages', 'stack', 'imagej', 'ome', 'overview', 'mask', 'pyramid']
    )
    if pixels.ndim == 3 and around in ('stack', 'imagej', 'ome'):
        around = 'pages'
    file = dict(bigtiff=chance.random() < 0.2, byteorder=chance.choice('<>'))
    planes = [pixels] if around in ('alone', 'overview', 'mask', 'pyramid') else two(pixels)
    if around == 'imagej':  # which has types, photometric and compression of its own
        if pixels.dtype.str[1:] not in ('u1', 'u2', 'f4') or options['photometric'] != 'minisblack':
            raise ValueError('not for ImageJ')
        turn, one_directory = 1, chance.random() < 0.5
        settings = dict(imagej=True, truncate=one_directory, metadata=dict(axes='ZYX'))
        tifffile.imwrite(path, np.stack(planes), **settings)
    else:
        with tifffile.TiffWriter(path, ome=around == 'ome', **file) as writer:
            if around in ('stack', 'ome'):
                del options['description']
                options['truncate'] = around == 'stack' and chance.random() < 0.5
                axes = dict(axes=chance.choice(['ZYX', 'TYX']))
                writer.write(np.stack(planes), **options, metadata=axes)
            else:
                for plane in planes:
                    subifds = int(around == 'pyramid')
                    writer.write(plane, **options, metadata=None, subifds=subifds)
            if around in ('overview', 'pyramid'):
                small = pixels[::2, ::2] if pixels.ndim == 2 else pixels
                writer.write(small, **options, metadata=None, subfiletype=1)
            if around == 'mask':
                mask = np.ones(SIZE, bool)
                writer.write(mask, photometric='mask', subfiletype=4, metadata=None)
    if around in ('stack', 'imagej', 'ome'):
        read = list(tifffile.imread(path))
    else:
        read = [tifffile.imread(path, key=i) for i in range(len(planes))]
    if compression != 'jpeg' and not np.array_equal(np.stack(read), np.stack(planes)):
        raise ValueError('tifffile does not read what it has written')
    slices = [show(each) for each in read]
    if any(each is None for each in slices):
        slices = None
    else:
        slices = [np.rot90(each, TURNS[turn]) for each in slices]
    words = f'{pixels.dtype}{pixels.shape} {around} {turn} {options} {file}'
    return Unusual(path, slices, compression != 'jpeg', words)


def tiff_content(
    chance: random.Random,
) -> tuple[np.ndarray, dict, Callable[[np.ndarray], np.ndarray | None]]:
    """Draw an image, how tifffile writes it, and how what is stored is shown."""
    kind = chance.choice(['u1'] * 6 + ['i1', 'u2', 'u2', 'i2', 'u4', 'i4', 'f2', 'f4', 'f8'])
    form = chance.choice(['gray'] * 4 + ['color', 'alpha', 'bands', 'palette', 'white', 'bilevel'])
    if form in ('gray', 'white'):
        pixels = smooth(chance, kind)
        if form == 'gray':
            return pixels, dict(photometric='minisblack'), lambda stored: stored
        options = dict(photometric='miniswhite')
        return pixels, options, lambda stored: 255 - stored if kind == 'u1' else None
    if form == 'palette':
        colors = np.random.default_rng(chance.randrange(99)).integers(0, 2**16, (3, 256), np.uint16)
        options = dict(photometric='palette', colormap=colors)
        return smooth(chance), options, lambda stored: (colors >> 8).astype('u1').T[stored]
    if form == 'bilevel':
        white = chance.random() < 0.5
        options = dict(photometric='miniswhite' if white else 'minisblack')
        return smooth(chance) > 127, options, lambda stored: np.uint8(255) * (stored != white)
    channels = dict(color=3, alpha=4, bands=chance.choice([2, 5, 8]))[form]
    pixels = smooth(chance, kind, channels)
    planes = chance.random() < 0.3
    options = dict(photometric='minisblack' if form == 'bands' else 'rgb')
    options['planarconfig'] = 'separate' if planes else 'contig'
    if form == 'alpha':  # opaque, so that blending changes nothing
        pixels[..., 3] = np.iinfo(kind).max if kind[0] in 'iu' else 1
        options['extrasamples'] = [chance.choice(['unassalpha', 'assocalpha', 'unspecified'])]

    def show(stored: np.ndarray) -> np.ndarray:
        shown = np.moveaxis(stored, 0, -1) if planes else stored
        return shown[..., :3] if form == 'alpha' else shown

    return np.moveaxis(pixels, -1, 0).copy() if planes else pixels, options, show


def two(pixels: np.ndarray) -> list[np.ndarray]:
    """An image and another one of its shape."""
    return [pixels, pixels[::-1].copy() if pixels.ndim == 2 else pixels]


def png(chance: random.Random, path: Path) -> Unusual:
    """PNG over color types, bit depths, interlacing and chunks."""
    color = chance.choice([0, 0, 2, 3, 4, 6])
    bits = chance.choice({0: [1, 2, 4, 8, 16], 3: [1, 2, 4, 8]}.get(color, [8, 16]))
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    pixels = smooth(chance, 'f8', channels)
    pixels = np.clip(pixels / 900, 0, 1)
    pixels = (pixels * (2**bits - 1)).round().astype('u2' if bits == 16 else 'u1')
    if color in (4, 6):
        pixels[..., -1] = 2**bits - 1
    height, width = pixels.shape[:2]
    chunks = [(b'IHDR', struct.pack('>IIBBBBB', width, height, bits, color, 0, 0, 0))]
    extras = {
        b'gAMA': struct.pack('>I', round(GAMMA * 100000)),
        b'pHYs': struct.pack('>IIB', 2835, 2835, 1),
        b'tEXt': b'Comment\0' + 'µ'.encode() * 50,
        b'zTXt': b'Comment\0\0' + zlib.compress(b'x' * 3 * 2**20),
        b'prVt': b'a private chunk',
        b'tIME': struct.pack('>HBBBBB', 2026, 1, 2, 3, 4, 5),
    }
    chosen = chance.sample(sorted(extras), chance.randrange(4))
    chunks += [(name, extras[name]) for name in chosen]
    palette = None
    if color == 3:
        palette = np.random.default_rng(chance.randrange(99)).integers(0, 256, (2**bits, 3), 'u1')
        chunks.append((b'PLTE', palette.tobytes()))
    raw = b''.join(b'\0' + _packed(row, bits) for row in pixels)
    data = zlib.compress(raw, chance.choice([0, 1, 9]))
    step = chance.choice([len(data), 100, 1000])
    chunks += [(b'IDAT', data[at : at + step]) for at in range(0, len(data), step)]
    chunks.append((b'IEND', b''))
    path.write_bytes(
        b'\x89PNG\r\n\x1a\n'
        + b''.join(
            struct.pack('>I', len(body)) + name + body + struct.pack('>I', zlib.crc32(name + body))
            for name, body in chunks
        )
    )
    seen = pixels
    if palette is not None:
        seen = palette[pixels]
    elif bits < 8:
        seen = (pixels * (255 // (2**bits - 1))).astype('u1')
    if color in (4, 6):
        seen = pixels[..., 0] if color == 4 else pixels[..., :3]
    if bits == 16:
        np.testing.assert_array_equal(imagecodecs.png_decode(path.read_bytes()), pixels)
    elif b'zTXt' not in chosen:  # of which Pillow, behind imageio, reads one MiB
        shown = imageio.imread(path)
        shown = shown * np.uint8(255) if shown.dtype == bool else shown
        shown = shown[..., 0] if color == 4 else shown[..., :3] if color == 6 else shown
        np.testing.assert_array_equal(shown, seen)
    gamma = GAMMA if b'gAMA' in chosen else 1.0
    words = f'color type {color} of {bits} bits, {chosen}'
    return Unusual(path, [seen], True, words, gamma=gamma)


def _packed(row: np.ndarray, bits: int) -> bytes:
    if bits == 16:
        return row.astype('>u2').tobytes()
    if bits == 8:
        return row.tobytes()
    return np.packbits(np.unpackbits(row[:, None], axis=1)[:, 8 - bits :].ravel()).tobytes()


def jpeg(chance: random.Random, path: Path) -> Unusual:
    """JPEG over its coding, colors and orientation."""
    mode = chance.choice(['L', 'RGB', 'RGB', 'CMYK'])
    image = Image.fromarray(smooth(chance, 'u1', len(mode) if mode != 'L' else 1), mode=mode)
    exif = Image.Exif()
    turn = chance.choice([1, 1, 1, 3, 6, 8])
    exif[ORIENTATION] = turn
    options = dict(
        quality=chance.choice([60, 90, 100]),
        progressive=chance.random() < 0.5,
        optimize=chance.random() < 0.5,
        subsampling=chance.choice([0, 1, 2]),
        restart_marker_rows=chance.choice([0, 1]),
        exif=exif,
    )
    image.save(path, format='JPEG', **options)
    seen = imageio.imread(path, mode='L' if mode == 'L' else 'RGB')
    shown = [np.rot90(seen, TURNS[turn])]
    return Unusual(path, shown, False, f'{mode} {options} {turn}', turned=seen)


def dicom_file(chance: random.Random, path: Path) -> Unusual:
    """DICOM over the fields of its header and its transfer syntaxes."""
    signed, allocated = chance.random() < 0.4, chance.choice([8, 16, 16, 16])
    stored = chance.choice([8] if allocated == 8 else [8, 10, 12, 12, 16])
    kind = f'{"i" if signed else "u"}{allocated // 8}'
    values = np.clip(smooth(chance, 'f8') / 900, 0, 1) * (2 ** min(stored, 10) - 1)
    values = (values - 2 ** (stored - 1) * signed).round().astype(kind)
    tags = {}
    inverted = chance.random() < 0.3
    if inverted:
        tags['PhotometricInterpretation'] = 'MONOCHROME1'
    if chance.random() < 0.1:
        tags['PhotometricInterpretation'] = chance.choice(['PALETTE COLOR', 'MONOCHROME3'])
    slope, intercept = 1.0, 0.0
    for key, neutral in (('RescaleSlope', 1.0), ('RescaleIntercept', 0.0)):
        given = chance.choice(['missing', None, '', neutral, 2, -1024 if neutral == 0 else 0.5])
        if given != 'missing':
            tags[key] = given
            if isinstance(given, int | float):
                slope, intercept = (float(given), intercept) if neutral else (slope, float(given))
    for key, given in (
        ('PixelSpacing', [0.5, 0.25]),
        ('ImagerPixelSpacing', [1, 1]),
        ('WindowCenter', ''),
        ('NumberOfFrames', 1),
        ('BurnedInAnnotation', None),
    ):
        if chance.random() < 0.3:
            tags[key] = given
    written = values
    if allocated > stored and chance.random() < 0.2:
        mask = (1 << stored) - 1
        noise = np.random.default_rng(chance.randrange(99)).integers(0, 2**16, values.shape)
        written = ((values.astype('i4') & mask) | (noise & ~mask & 0xFFFF)).astype('u2').view(kind)
    file = dicom.file(path)
    dicom.fill(file, written, BitsStored=stored, **tags)
    enhanced = chance.random() < 0.2
    if enhanced:
        dicom.enhance(file, each=chance.random() < 0.5)
    form = chance.choice(['explicit', 'implicit', 'big', 'bare', 'rle', 'deflated'])
    syntax = dict(
        implicit='1.2.840.10008.1.2', big='1.2.840.10008.1.2.2', deflated='1.2.840.10008.1.2.1.99'
    )
    if form in syntax:
        file.file_meta.TransferSyntaxUID = syntax[form]
    if form == 'big':
        file.PixelData = written.astype(f'>{kind}').tobytes()
        file['PixelData'].VR = 'OW' if allocated > 8 else 'OB'
    if form == 'rle':
        file.compress('1.2.840.10008.1.2.5')
    if form == 'big':
        pydicom.dcmwrite(path, file, implicit_vr=False, little_endian=False)
    elif form == 'bare':
        bare = pydicom.Dataset()
        bare.update(file)
        pydicom.dcmwrite(path, bare, implicit_vr=chance.random() < 0.5, little_endian=True)
    else:
        file.save_as(path)
    read = pydicom.dcmread(path, force=True)
    if form != 'bare':
        np.testing.assert_array_equal(read.pixel_array, values)
    seen = values
    if inverted:
        seen = (-1 if signed else 2**stored - 1) - values.astype('i4')
    seen = seen * slope + intercept
    if (slope, intercept) == (1, 0):
        seen = seen.astype('u1' if stored == 8 and not signed else kind)
    shown = 'PhotometricInterpretation' not in tags or tags['PhotometricInterpretation'][-1] in '1'
    words = f'{form} {kind} {stored} bits {tags}{" enhanced" * enhanced}'
    return Unusual(path, [seen] if shown else None, True, words)


def nifti(chance: random.Random, path: Path) -> Unusual:
    """NIfTI over both versions, types, scaling, units, axes and placements."""
    kind = chance.choice(['u1', 'u1', 'i2', 'u2', 'i4', 'f4', 'f8', 'i1', 'u4', 'i8'])
    image = smooth(chance, kind).T
    shape = chance.choice(['2', '3', '3', '4', 'many'])
    volume = image if shape == '2' else np.stack([image, image[::-1]], axis=-1)
    volume = volume[..., None] if shape == '4' else volume
    if shape == 'many':
        volume = np.stack([volume, volume], axis=-1)
    version = chance.choice([nibabel.Nifti1Image, nibabel.Nifti1Image, nibabel.Nifti2Image])
    header = version.header_class(endianness=chance.choice('<>'))
    affine = np.diag([chance.uniform(0.3, 2), chance.uniform(0.3, 2), 3, 1])
    affine[:3, 3] = chance.choice([0, 17.5])
    if chance.random() < 0.3:
        affine[:2] = affine[1::-1]
    new = version(volume, affine, header, dtype=kind)
    new.header.set_xyzt_units(chance.choice(['mm', 'micron', 'meter', 'unknown']))
    new.header['descrip'] = 'é'.encode()
    code = chance.choice([(0, 0), (1, 1), (0, 2), (4, 0)])
    new.set_qform(affine, code=code[0])
    new.set_sform(affine, code=code[1])
    if chance.random() < 0.3:
        new.header.extensions.append(nibabel.nifti1.Nifti1Extension(6, b'a comment ' * 9))
    nibabel.save(new, path)
    data = bytearray(path.read_bytes())
    scaling = chance.choice(
        [None, (0.0, 5.0), (np.nan, np.nan), (1.0, 0.0), (2.0, -10.0), (0.5, 0)]
    )
    order, at = new.header.endianness, 112 if version is nibabel.Nifti1Image else 176
    bits = chance.choice([None] * 5 + [0, 8, 16, -1])
    if bits is not None:  # the length of the file confirms its datatype
        struct.pack_into(f'{order}h', data, 72 if at == 112 else 14, bits)
        path.write_bytes(data)
    if scaling is not None:
        struct.pack_into(f'{order}{"2f" if at == 112 else "2d"}', data, at, *scaling)
        path.write_bytes(data)
    if chance.random() < 0.5:
        path = path.with_name(f'{path.name}.gz')
        path.write_bytes(gzip.compress(data))
    read = np.asarray(nibabel.load(path).dataobj)
    slope, intercept = scaling or (1, 0)
    scaled = np.isfinite(slope) and slope != 0 and (slope, intercept) != (1, 0)
    expected = volume * slope + intercept if scaled else volume
    np.testing.assert_allclose(read, expected, rtol=1e-5)
    while read.ndim > 3 and read.shape[-1] == 1:
        read = read[..., 0]
    slices = None if read.ndim > 3 else list(read.reshape(*read.shape[:2], -1).T)
    return Unusual(
        path, slices, True, f'{version.__name__} {order} {kind} {shape} {scaling} {code} {bits}'
    )


MAKERS: dict[str, tuple[Callable[[random.Random, Path], Unusual], str]] = dict(
    TIFF=(tiff, '.tif'),
    PNG=(png, '.png'),
    JPEG=(jpeg, '.jpg'),
    DICOM=(dicom_file, '.dcm'),
    NIfTI=(nifti, '.nii'),
)


def make(kind: str, seed: str, folder: Path) -> Unusual:
    """Draw a file; again, where a library does not write what was drawn."""
    maker, suffix = MAKERS[kind]
    for attempt in range(100):
        chance = random.Random(f'{seed} {attempt}')
        for path in folder.iterdir():
            path.unlink()
        try:
            return maker(chance, folder / f'x{suffix}')
        except AssertionError:
            raise
        except Exception:  # of the library that writes
            continue
    raise RuntimeError(f'no {kind} file could be written with seed {seed}')


def in_window(image: np.ndarray) -> np.ndarray:
    """Map WINDOW to 0 to 255, as the user asks for, by its definition."""
    if image.dtype == np.uint8:
        return image
    scaled = (image.astype(np.float64) - WINDOW[0]) / (WINDOW[1] - WINDOW[0]) * 255
    return np.clip(np.round(scaled), 0, 255).astype(np.uint8)


def in_gray(image: np.ndarray, *, gamma: float = 1.0) -> np.ndarray:
    """Turn RGB into gray by the usual weights of the light that a gamma makes of the values."""
    if image.ndim == 2:
        return image
    light = (image / 255) ** (1 / gamma) @ np.array(GRAY_WEIGHTS)
    return (255 * light**gamma).round().astype(np.uint8)


def in_bgr(image: np.ndarray) -> np.ndarray:
    """Give an image the three channels that a model for colors takes."""
    return np.dstack([image] * 3) if image.ndim == 2 else image[..., ::-1]

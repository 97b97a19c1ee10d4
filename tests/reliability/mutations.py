"""Ways to corrupt a file."""

import gzip
import io
import random
import struct
import tarfile
import zipfile
import zlib
from pathlib import PurePosixPath

NUMBERS = [0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 10**9, 2**31 - 1, 2**32 - 1]
NAMES = [
    '../escaped',
    'a/../../escaped',
    '../' * 20 + 'tmp/escaped',
    '..\\escaped',
    '/tmp/escaped',
    'C:\\escaped',
    'x' * 300,
    'a\0b',
    'con',
    '.',
    '',
    'raw',
    'raw/00.tif/x',
    '\u202egnp.exe',
]
LINKS = [tarfile.SYMTYPE, tarfile.LNKTYPE]
LINES = [b'../../../etc/passwd', b'/etc/passwd', b'a\0b', b'x' * 1000, b'\xff\xfe', b'', b'..']


def mutate(data: bytes, name: str, chance: random.Random) -> bytes:
    """Spoil the content of a file, sometimes in a way that its kind invites."""
    kinds = [corrupt]
    if name.endswith('.zip'):
        kinds += [zip_again]
    if name.endswith(('.tar', '.tar.gz')):
        kinds += [tar_again]
    if name.endswith('.pth') and zipfile.is_zipfile(io.BytesIO(data)):
        kinds += [corrupt_record, corrupt_record]
    if name.endswith('.nii.gz'):
        kinds += [corrupt_packed, corrupt_packed]
    if name.endswith('.png'):
        kinds += [corrupt_png]
    if name.endswith('.txt'):
        kinds += [corrupt_lines]
    return chance.choice(kinds)(data, chance)


# what becomes of some bytes in the middle of a file
CHANGES = [
    lambda part, chance: bytes([part[0] ^ (1 << chance.randrange(8))]) + part[1:],
    lambda part, chance: chance.randbytes(len(part)),
    lambda part, chance: bytes(len(part)),
    lambda part, chance: b'\xff' * len(part),
    lambda part, chance: struct.pack('<I', chance.choice(NUMBERS)) + part[4:],
    lambda part, chance: struct.pack('>I', chance.choice(NUMBERS)) + part[4:],
    lambda part, chance: b'',
    lambda part, chance: part * 2,
    lambda part, chance: chance.randbytes(len(part)) + part,
]


def corrupt(data: bytes, chance: random.Random) -> bytes:
    """Change, remove, repeat or add bytes anywhere, or cut the end off."""
    for _ in range(chance.choice([1, 1, 2, 5, 20])):
        if not data:
            break
        at = chance.randrange(len(data))
        end = min(at + chance.choice([1, 2, 4, 16, 256, 4096]), len(data))
        new = chance.choice(CHANGES)(data[at:end], chance)
        data = data[:at] if chance.random() < 0.05 else data[:at] + new + data[end:]
    return data


def corrupt_lines(data: bytes, chance: random.Random) -> bytes:
    """Add a line that is no name, or repeat or remove one."""
    lines = data.split(b'\n')
    at = chance.randrange(len(lines))
    lines[at : at + chance.randrange(2)] = [chance.choice([*LINES, lines[at]])]
    return b'\n'.join(lines)


def corrupt_png(data: bytes, chance: random.Random) -> bytes:
    """Change a chunk, with a correct checksum."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        size = struct.unpack('>I', data[at : at + 4])[0]
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    chosen = chance.randrange(len(chunks))
    chunks[chosen] = chunks[chosen][0], corrupt(chunks[chosen][1], chance)
    return data[:8] + b''.join(
        struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))
        for kind, body in chunks
    )


def corrupt_packed(data: bytes, chance: random.Random) -> bytes:
    """Change what is in a gzip file, often its start, where headers are."""
    content = gzip.decompress(data)
    head = chance.choice([400, len(content)])
    return gzip.compress(corrupt(content[:head], chance) + content[head:], 1)


def corrupt_record(data: bytes, chance: random.Random) -> bytes:
    """Change a record of a checkpoint, mostly its pickle, with a correct checksum."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    pickles = [name for name in records if name.endswith('data.pkl')]
    name = chance.choice(pickles if chance.random() < 0.8 else list(records))
    records[name] = corrupt(records[name], chance)
    return _zip(records, zipfile.ZIP_STORED)


def zip_again(data: bytes, chance: random.Random) -> bytes:
    """Add a member with a hostile name, or make one a link or larger than it is."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    kind = chance.choice(['name', 'name', 'name', 'link', 'corrupt', 'again'])
    if kind == 'corrupt':
        name = chance.choice(list(records))
        records[name] = corrupt(records[name], chance)
    packed = io.BytesIO(_zip(records, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(packed, 'a', zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(chance.choice(NAMES) or 'empty')
        if kind == 'link':
            info = zipfile.ZipInfo('link')
            info.external_attr = 0o120777 << 16
        if kind == 'again':
            info = zipfile.ZipInfo(chance.choice(list(records)))
        if kind != 'corrupt':
            archive.writestr(info, '../../escaped')
    return packed.getvalue()


def tar_again(data: bytes, chance: random.Random) -> bytes:
    """Add a member with a hostile name or of a hostile kind."""
    compression = 'gz' if data.startswith(b'\x1f\x8b') else ''
    packed = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(data)) as old,
        tarfile.open(fileobj=packed, mode=f'w:{compression}') as new,
    ):
        for info in old:
            new.addfile(info, old.extractfile(info))
        info = tarfile.TarInfo(str(PurePosixPath(chance.choice(NAMES).replace('\0', '') or 'x')))
        info.type = chance.choice(
            [
                tarfile.REGTYPE,
                tarfile.REGTYPE,
                *LINKS,
                tarfile.FIFOTYPE,
                tarfile.CHRTYPE,
                tarfile.DIRTYPE,
            ]
        )
        info.linkname = chance.choice(['../../escaped', '/etc/passwd', 'raw/00.tif'])
        new.addfile(info)
    return packed.getvalue()


def _zip(records: dict[str, bytes], kind: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, 'w', kind) as archive:
        for name, content in records.items():
            archive.writestr(name, content)
    return packed.getvalue()

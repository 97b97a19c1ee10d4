"""Read the bit depth of JPEG 2000 and PNM files, which Pillow scales to 8 or 16 bits."""

import re
from typing import NamedTuple

START = b'\xff\x4f\xff\x51'  # first two markers of a JPEG 2000 codestream
COMPONENTS = 36  # bytes from the second marker's segment to the number of components
PNM = re.compile(rb'P[2356](?:\s|#[^\n]*\n)+\d+(?:\s|#[^\n]*\n)+\d+(?:\s|#[^\n]*\n)+(\d+)')


class Depth(NamedTuple):
    """The value format of a component, and its subsampling."""

    bits: int
    signed: bool
    sampling: tuple[int, int]


def jpeg2000_depths(data: bytes) -> list[Depth]:
    """Read the depth of each component from the SIZ marker (ISO 15444-1, A.5.1).

    Args:
        data: The bytes of a JP2 file or of a codestream.

    Returns:
        The depth of each component; empty if the marker is missing.
    """
    at = data.find(START) + len(START)
    if at < len(START):
        return []
    at += COMPONENTS
    fields = data[at + 2 : at + 2 + 3 * int.from_bytes(data[at : at + 2], 'big')]
    triples = zip(fields[::3], fields[1::3], fields[2::3], strict=False)
    return [Depth((size & 127) + 1, size > 127, (x, y)) for size, x, y in triples]


def pnm_maximum(data: bytes) -> int | None:
    """Read the value of white from the header of a PGM or PPM file; ``None`` if it has none."""
    header = PNM.match(data)
    return int(header[1]) if header else None

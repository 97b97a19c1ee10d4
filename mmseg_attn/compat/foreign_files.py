"""Recognize files that ``torch.save`` did not write, by their first bytes, and say what they are.

PyTorch would unpickle them, and its errors, such as "Memo value not found at index 101" for a text
file, differ from version to version.
"""

import codecs
import pickle

from torch.serialization import MAGIC_NUMBER

from ..io.kinds import LFS, LFS_REMEDY, kind_of
from .stand_ins import AGAIN

LENGTH = 4096  # number of first bytes that are looked at
ZIP = b'PK\x03\x04'
# the legacy format, which PyTorch wrote before version 1.6, in every protocol of pickle
LEGACY = tuple(
    pickle.dumps(MAGIC_NUMBER, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
)
COMPRESSED = ('gzip', 'bzip2', 'xz', 'Zstandard')
CORRECT = 'correct the path'


def describe(start: bytes, size: int) -> tuple[str, str]:
    """Say what a file is that is not a checkpoint.

    Args:
        start: The first bytes of the file, at most :data:`LENGTH`.
        size: Size of the file in bytes.

    Returns:
        What is wrong, and the remedy.
    """
    if not start.strip(b'\0'):
        return ('it begins with zeros' if start else 'it is empty'), AGAIN
    header = int.from_bytes(start[:8], 'little')
    if start[8:9] == b'{' and header <= size - 8:
        return (
            'it is a safetensors file',
            "convert it with torch.save({'state_dict': safetensors.torch.load_file(file)}, "
            'new_file)',
        )
    text = _text(start)
    if text.lower().startswith(('<!doctype html', '<html')):
        return 'it is an HTML page', f'download the checkpoint again, or {CORRECT}'
    kind = kind_of(start)
    if kind == LFS:
        return f'it is a {LFS}', LFS_REMEDY
    if kind in COMPRESSED:
        return f'it is in the format {kind}', 'decompress it'
    if kind is not None:
        return f'it is in the format {kind}', CORRECT
    if text:
        return 'it is a text file', f'{CORRECT}, or download the checkpoint again'
    if start.startswith(b'\x80'):
        return 'it is a pickle that torch.save did not write', 'save it again with torch.save'
    return 'it was not written by torch.save', f'{CORRECT}, or {AGAIN}'


def _text(start: bytes) -> str:
    """Return the text that the bytes are, without leading space; empty if they are none."""
    try:
        text = codecs.getincrementaldecoder('utf-8-sig')().decode(start)
    except UnicodeDecodeError:
        return ''
    return text.lstrip() if all(c.isprintable() or c.isspace() for c in text) else ''

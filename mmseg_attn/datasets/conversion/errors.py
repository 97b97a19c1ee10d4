"""What is wrong with a file, in sentences of three kinds."""

from pathlib import Path

from ..errors import DataError


class ConversionError(DataError):
    """What is wrong with the input or the output folder, as one sentence for the user."""


class DamagedError(ConversionError):
    """A decoder met bytes that cannot be right: the file has to be got again."""


class UnsupportedError(ConversionError):
    """A sound file has a property that is not read: the file has to be converted."""


class UnknownTypeError(UnsupportedError):
    """A file is of a type that none of our readers knows."""


class TooLargeError(ConversionError):
    """A sound file is beyond a limit: the file has to be cut, or the limit raised."""


def damaged(name: str | Path, reason: object = '') -> DamagedError:
    """Say that a decoder met bytes that cannot be right.

    Args:
        name: The file.
        reason: What the decoder said.
    """
    text = ' '.join(str(reason).split())
    return DamagedError(f'{name} is truncated or damaged{": " * bool(text)}{text}; get it again')

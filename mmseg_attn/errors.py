"""Define the errors of this package: each message is one sentence that names the remedy."""

from pathlib import Path


class MMSegAttnError(Exception):
    """Base class: the tools print the message alone; all other errors keep their traceback."""


class DataError(MMSegAttnError, ValueError):
    """Report data that cannot be used, or not with this config."""


class DamagedError(DataError):
    """Report a damaged file, which has to be copied or downloaded again."""


class UnsupportedError(DataError):
    """Report an intact file with a property that is not supported; it has to be converted."""


class UnknownTypeError(UnsupportedError):
    """Report a file of a type that no reader supports."""


class TooLargeError(DataError):
    """Report an intact file beyond a limit; it has to be cut, or the limit raised."""


class CheckpointError(MMSegAttnError, RuntimeError):
    """Report a checkpoint that cannot be loaded, or whose weights do not fit the model."""


class ExportError(MMSegAttnError):
    """Report a model that cannot be exported."""


class UsageError(MMSegAttnError, ValueError):
    """Report arguments of a tool that do not fit each other, the config or earlier runs."""


class RunError(MMSegAttnError):
    """Report a training or a test, run by a tool, that failed."""


class DivergenceError(MMSegAttnError, FloatingPointError):
    """Report a training whose loss or weights are no longer finite."""


def damaged(name: str | Path, reason: object = '') -> DamagedError:
    """Return the error for bytes that a decoder cannot read.

    Args:
        name: The file.
        reason: The decoder's message.
    """
    text = ' '.join(str(reason).split())[:300]
    return DamagedError(f'{name} is truncated or damaged{": " * bool(text)}{text}; get it again')

"""The errors of this package: each holds one sentence for the user, with the remedy."""

from pathlib import Path


class MMSegAttnError(Exception):
    """Base class: the tools show the sentence alone; all other errors keep their traceback."""


class DataError(MMSegAttnError, ValueError):
    """Data that cannot be used, or not with this config."""


class DamagedError(DataError):
    """A decoder met bytes that cannot be right: the file has to be obtained again."""


class UnsupportedError(DataError):
    """A sound file has a property that is not read: the file has to be converted."""


class UnknownTypeError(UnsupportedError):
    """A file is of a type that none of the readers knows."""


class TooLargeError(DataError):
    """A sound file is beyond a limit: the file has to be cut, or the limit raised."""


class CheckpointError(MMSegAttnError, RuntimeError):
    """A checkpoint that cannot be loaded, or whose weights do not fit the model."""


class ExportError(MMSegAttnError):
    """A model that cannot be exported."""


class UsageError(MMSegAttnError, ValueError):
    """Arguments of a tool that do not fit each other, the config or earlier runs."""


class RunError(MMSegAttnError):
    """A training or a test, run by a tool, that failed."""


class DivergenceError(MMSegAttnError, FloatingPointError):
    """A training whose loss or weights are no longer finite."""


def damaged(name: str | Path, reason: object = '') -> DamagedError:
    """Return the error for bytes that a decoder cannot read.

    Args:
        name: The file.
        reason: The decoder's message.
    """
    text = ' '.join(str(reason).split())[:300]
    return DamagedError(f'{name} is truncated or damaged{": " * bool(text)}{text}; get it again')

"""Replace the globals in MMEngine's checkpoints by inert stand-ins that contain data only.

A pickle names the functions that rebuild its objects. Beyond tensors and containers, MMEngine's
checkpoints name NumPy's (arrays and scalars of the message hub and of the meta data),
``HistoryBuffer``, and ``getattr`` for two kinds of methods. The real ones are not safe:
``numpy.dtype.__setstate__`` accepts any flags, an array takes a new buffer while a tensor still
uses the old one, ``HistoryBuffer.__setstate__`` writes functions into its class, and ``getattr``
reaches everything. So each name is replaced by a stand-in below. It checks its data and keeps the
value that MMEngine or NumPy makes of them; :func:`resolve` inserts these values afterwards.
"""

import pickle
import re
from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

AGAIN = 'copy or download it again'


class RefusedError(Exception):
    """Report an object that MMEngine's checkpoints do not contain; the message names it."""


class UnreadableError(pickle.UnpicklingError):
    """Report a file that is damaged or not a checkpoint.

    Args:
        reason: The reason.
        remedy: What to do with the file.
    """

    def __init__(self, reason: str, remedy: str = AGAIN) -> None:
        super().__init__(reason)
        self.remedy = remedy


class StandIn:
    """Represent one object until the pickle is read; then ``value`` replaces it."""

    __hash__ = None  # neither key of a dict nor member of a set: resolve() does not look there
    value: Any


class Dtype:
    """Represent ``numpy.dtype``, for numbers and booleans only."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        if not (isinstance(code, str) and re.fullmatch(r'[biufc]\d{1,2}', code)):
            raise RefusedError(f'numpy.dtype({code!r})')
        self.value = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        """Set the byte order; the other entries of NumPy's state are for structured types."""
        self.value = self.value.newbyteorder(state[1])


class Array(StandIn):
    """Represent ``numpy.ndarray``, copied from the bytes in its state."""

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, data = state
        self.value = _array(shape, dtype, data, 'F' if fortran else 'C')


class History(StandIn):
    """Represent ``HistoryBuffer``, rebuilt from its two arrays."""

    replaces = 'HistoryBuffer'

    def __setstate__(self, state: dict) -> None:
        self.value = HistoryBuffer(
            state['_log_history'].value, state['_count_history'].value, state['max_length']
        )


class OneCycle:
    """Represent ``OneCycleParamScheduler``, named only as the owner of its annealing function."""

    replaces = 'OneCycleParamScheduler'


def reconstruct(cls: type, shape: tuple, typecode: bytes) -> Array:
    """Replace ``numpy.core.multiarray._reconstruct``; the array's content comes with its state."""
    return Array()


def scalar(dtype: Dtype, data: bytes) -> np.generic:
    """Replace ``numpy.core.multiarray.scalar``, which would unpickle the bytes of an object."""
    return _array((), dtype, data, 'C')[()]


def encode(text: str, encoding: str) -> bytes:
    """Replace ``_codecs.encode``, with which bytes are pickled."""
    return text.encode(encoding)


def no_bytes() -> bytes:
    """Replace ``bytes``, with which the content of empty arrays is pickled; takes no size."""
    return b''


def config(*content: Any) -> dict:
    """Replace ``ConfigDict``, which MMEngine makes of nested dictionaries in ``metainfo``.

    Before MMEngine 0.8.3, the content is pairs, which the file sets once more.
    """
    return dict(content[0]) if content and isinstance(content[0], dict) else {}


def method(owner: Any, name: str) -> Any:
    """Replace ``getattr``, for the methods that MMEngine's objects have in their state.

    Raises:
        RefusedError: For any other owner or name.
    """
    if owner is History and name in ('min', 'max', 'current', 'mean'):
        return name  # History leaves it to HistoryBuffer to find its own methods
    if owner is OneCycle and name in ('_annealing_cos', '_annealing_linear'):
        return getattr(OneCycleParamScheduler, name)
    known = getattr(owner, 'replaces', getattr(owner, '__name__', type(owner).__name__))
    raise RefusedError(f'getattr({known}, {name!r})')


def resolve(value: Any) -> Any:
    """Replace all stand-ins in a loaded checkpoint by their values.

    Args:
        value: The content of the checkpoint; its containers are changed in place, except tuples,
            which are replaced.
    """
    return _resolve(value, {})


def _resolve(value: Any, seen: dict[int, tuple]) -> Any:
    if isinstance(value, StandIn):
        return value.value
    if id(value) in seen:  # shared, or part of itself
        return seen[id(value)][1]
    if isinstance(value, dict):
        seen[id(value)] = value, value
        for key, item in value.items():
            value[key] = _resolve(item, seen)
    elif isinstance(value, list):
        seen[id(value)] = value, value
        value[:] = [_resolve(item, seen) for item in value]
    elif type(value) is tuple:
        # the old tuple is kept as well, so that nothing else gets its id
        seen[id(value)] = value, tuple(_resolve(item, seen) for item in value)
        return seen[id(value)][1]
    return value


def _array(shape: tuple, dtype: Dtype, data: bytes, order: str) -> np.ndarray:
    if not (isinstance(dtype, Dtype) and isinstance(data, bytes)):
        raise RefusedError(f'an array of {type(data).__name__} objects')
    return np.ndarray(shape, dtype.value, data, order=order).copy()


# Globals that a file may call; NumPy 1 writes numpy.core, NumPy 2 numpy._core, and both read both.
CALLABLES = {
    '_codecs.encode': encode,
    'builtins.bytes': no_bytes,
    'builtins.getattr': method,
    'mmengine.config.config.ConfigDict': config,
    'mmengine.logging.history_buffer.HistoryBuffer': History,
    'numpy.dtype': Dtype,
    'numpy.core.multiarray._reconstruct': reconstruct,
    'numpy.core.multiarray.scalar': scalar,
    'numpy._core.multiarray._reconstruct': reconstruct,
    'numpy._core.multiarray.scalar': scalar,
}
# Globals that it may only name, as the argument of a call.
OWNERS = {
    'mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler': OneCycle,
    'numpy.ndarray': Array,
}
STATEFUL = Dtype, Array, History

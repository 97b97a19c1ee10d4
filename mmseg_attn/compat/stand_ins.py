"""What the globals in MMEngine's checkpoints become: inert records that hold data only.

A pickle names the functions that rebuild its objects. Beyond tensors and containers, MMEngine's
checkpoints name NumPy's (arrays and scalars of the message hub and of the meta data),
``HistoryBuffer``, and ``getattr`` for two kinds of methods. Handing out the real ones is not safe:
``numpy.dtype.__setstate__`` believes any flags, an array takes a new buffer while a tensor still
uses the old one, ``HistoryBuffer.__setstate__`` writes functions into its class, and ``getattr``
reaches everything. So each name stands for a record below. It checks what it is given and keeps the
value that MMEngine or NumPy made from it; :func:`resolve` puts these values in place afterwards.
"""

import re
from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler


class RefusedError(Exception):
    """A pickle asks for something that MMEngine's checkpoints do not hold; the text names it."""


class Record:
    """Stands for one object until the pickle is read; then ``value`` takes its place."""

    __hash__ = None  # neither key of a dict nor member of a set: resolve() does not look there
    value: Any


class Dtype:
    """``numpy.dtype``, for numbers and truth values only."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        if not (isinstance(code, str) and re.fullmatch(r'[biufc]\d{1,2}', code)):
            raise RefusedError(f'numpy.dtype({code!r})')
        self.value = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        """Takes over the byte order; what else NumPy writes here belongs to structured types."""
        self.value = self.value.newbyteorder(state[1])


class Array(Record):
    """``numpy.ndarray``, copied from the bytes in its state."""

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, data = state
        self.value = _array(shape, dtype, data, 'F' if fortran else 'C')


class History(Record):
    """``HistoryBuffer``, rebuilt from its two arrays; its statistics are those of the class."""

    stands_for = 'HistoryBuffer'

    def __setstate__(self, state: dict) -> None:
        self.value = HistoryBuffer(
            state['_log_history'].value, state['_count_history'].value, state['max_length']
        )


class OneCycle:
    """``OneCycleParamScheduler``, which is only named as the owner of its annealing function."""

    stands_for = 'OneCycleParamScheduler'


def reconstruct(cls: type, shape: tuple, typecode: bytes) -> Array:
    """``numpy.core.multiarray._reconstruct``: the array whose content comes with its state."""
    return Array()


def scalar(dtype: Dtype, data: bytes) -> np.generic:
    """``numpy.core.multiarray.scalar``: NumPy's own unpickles the bytes of an object here."""
    return _array((), dtype, data, 'C')[()]


def encode(text: str, encoding: str) -> bytes:
    """``_codecs.encode``, by which bytes are pickled."""
    return text.encode(encoding)


def no_bytes() -> bytes:
    """``bytes``, by which the content of empty arrays is pickled; with a size, it makes zeros."""
    return b''


def method(owner: Any, name: str) -> Any:
    """``getattr``, for the methods that MMEngine's objects hold in their state.

    Raises:
        RefusedError: For any other owner or name.
    """
    if owner is History and name in ('min', 'max', 'current', 'mean'):
        return name  # History leaves it to HistoryBuffer to find its own methods
    if owner is OneCycle and name in ('_annealing_cos', '_annealing_linear'):
        return getattr(OneCycleParamScheduler, name)
    known = getattr(owner, 'stands_for', getattr(owner, '__name__', type(owner).__name__))
    raise RefusedError(f'getattr({known}, {name!r})')


def resolve(value: Any) -> Any:
    """Puts the values of all records in a loaded checkpoint into their places.

    Args:
        value: Containers are changed in place, but tuples, which are replaced.
    """
    return _resolve(value, {})


def _resolve(value: Any, seen: dict[int, tuple]) -> Any:
    if isinstance(value, Record):
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


# What a file may call; NumPy 1 writes numpy.core, NumPy 2 numpy._core, and both read both.
CALLABLES = {
    '_codecs.encode': encode,
    'builtins.bytes': no_bytes,
    'builtins.getattr': method,
    'mmengine.logging.history_buffer.HistoryBuffer': History,
    'numpy.dtype': Dtype,
    'numpy.core.multiarray._reconstruct': reconstruct,
    'numpy.core.multiarray.scalar': scalar,
    'numpy._core.multiarray._reconstruct': reconstruct,
    'numpy._core.multiarray.scalar': scalar,
}
# What it may only name, as the argument of a call.
OWNERS = {
    'mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler': OneCycle,
    'numpy.ndarray': Array,
}
STATEFUL = Dtype, Array, History

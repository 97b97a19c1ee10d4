"""Read pickles for ``torch.load`` that make tensors, containers and records, nothing else.

A :class:`Reader` is the ``pickle_module`` of ``torch.load``, which reads PyTorch's zip files and
the legacy format with it, on every PyTorch. ``weights_only`` is not used: before PyTorch 2.4 it
accepts no additional names, and before 2.6 it can be bypassed (CVE-2025-32434).

It is Python's own unpickler without the instructions that data does not need. A name in the file
must be an entry of :data:`NAMES`; only entries of :data:`CALLABLES` are called; a state is set on
few types; items are added to lists, dicts and sets only; and only storages are loaded from outside
the pickle. :mod:`mmseg_attn.compat.stand_ins` replaces MMEngine's objects. PyTorch before 2.3
trusts the sizes that a file claims: they are checked here.
"""

import _compat_pickle
import functools
import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO, ClassVar

import torch
from torch import Tensor
from torch.nn import Parameter

from . import stand_ins
from .stand_ins import RefusedError, UnreadableError


def tensor(rebuild: Callable) -> Callable[..., Tensor]:
    """Wrap a function of ``torch._utils`` that makes a tensor in a check of its size."""

    @functools.wraps(rebuild)
    def checked(storage: Any, offset: int, size: tuple, stride: tuple, *rest: Any) -> Tensor:
        dtype = next(
            (argument for argument in rest if isinstance(argument, torch.dtype)), storage.dtype
        )
        length = storage._untyped_storage.nbytes() // torch._utils._element_size(dtype)
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if min(0, offset, *size, *stride) < 0 or (0 not in size and last >= length):
            raise UnreadableError('a tensor in it is larger than its storage')
        return rebuild(storage, offset, size, stride, *rest)

    return checked


def from_type(rebuild: Callable, kind: type, arguments: tuple, state: Any) -> Tensor:
    """Replace ``torch._tensor._rebuild_from_type_v2``; the tensor's attributes are left out."""
    if rebuild not in TENSORS.values() or kind not in (Tensor, Parameter):
        raise RefusedError(f'a tensor of type {getattr(kind, "__name__", type(kind).__name__)}')
    return rebuild(*arguments)


def parameter(data: Tensor, requires_grad: bool, hooks: dict, state: Any) -> Parameter:
    """Replace ``torch._utils._rebuild_parameter_with_state``; the attributes are left out."""
    return torch._utils._rebuild_parameter(data, requires_grad, hooks)


TENSORS = {
    f'torch._utils.{name}': tensor(getattr(torch._utils, name))
    for name in ('_rebuild_tensor', '_rebuild_tensor_v2', '_rebuild_tensor_v3')
    if hasattr(torch._utils, name)  # v3: PyTorch 2.1
} | {'torch._utils._rebuild_parameter': torch._utils._rebuild_parameter}
CALLABLES = {
    **TENSORS,
    'torch._utils._rebuild_parameter_with_state': parameter,
    'torch._tensor._rebuild_from_type_v2': from_type,
    'torch.Size': torch.Size,
    'torch.device': torch.device,
    'collections.OrderedDict': OrderedDict,
    'collections.Counter': Counter,
    'builtins.set': set,
    'builtins.complex': complex,
    **stand_ins.CALLABLES,
}
NAMES = {
    **CALLABLES,
    **stand_ins.OWNERS,
    **{str(dtype): dtype for dtype in vars(torch).values() if isinstance(dtype, torch.dtype)},
    'torch.Tensor': Tensor,
    'torch._tensor.Tensor': Tensor,
    'torch.nn.parameter.Parameter': Parameter,
    'torch.storage.UntypedStorage': torch.UntypedStorage,
}
DICTS = dict, OrderedDict, Counter
CALLED = {id(value) for value in CALLABLES.values()}


class CompleteReads:
    """Read a file, and raise an error where its end is missing.

    Args:
        file: The file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def read(self, size: int) -> bytes:
        """Read as many bytes.

        Raises:
            EOFError: If there are fewer.
        """
        data = self.file.read(size)
        if len(data) < size:
            raise EOFError
        return data

    def readline(self) -> bytes:
        """Read a line.

        Raises:
            EOFError: If it has no end.
        """
        line = self.file.readline()
        if not line.endswith(b'\n'):
            raise EOFError
        return line


class Unpickler(pickle._Unpickler):
    """Read one pickle; see the module.

    Attributes:
        length: Function that returns the size of a storage in bytes, by its key; ``None`` in the
            legacy format, where PyTorch checks the sizes.
    """

    length: ClassVar[Callable[[str], int] | None] = None
    dispatch: ClassVar = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: BinaryIO, **settings: Any) -> None:
        super().__init__(CompleteReads(file), **settings)

    def find_class(self, module: str, name: str) -> Any:
        """Return the object for a name.

        Raises:
            RefusedError: If the name is not in ``NAMES``.
        """
        old = _compat_pickle.IMPORT_MAPPING.get(module, module), name  # Python 2's, protocol 2
        path = '.'.join(_compat_pickle.NAME_MAPPING.get((module, name), old))
        if path not in NAMES:
            raise RefusedError(repr(path.removeprefix('builtins.')))
        return NAMES[path]

    def get_extension(self, code: int) -> None:
        """Refuse extension codes: numbers for names that are registered in one process only."""
        raise RefusedError(f'extension {code}')

    def _top(self, *kinds: type) -> Any:
        if type(self.stack[-1]) not in kinds:
            raise UnreadableError('an item is added to an object that is not a container')
        return self.stack[-1]

    def load_reduce(self) -> None:
        """Call a function."""
        arguments = self.stack.pop()
        function = self.stack[-1]
        if id(function) not in CALLED:
            raise RefusedError(
                f'a call of {getattr(function, "__name__", type(function).__name__)}'
            )
        self.stack[-1] = function(*arguments)

    dispatch[pickle.REDUCE[0]] = load_reduce
    # a type in CALLABLES is called like a function
    dispatch[pickle.NEWOBJ[0]] = load_reduce

    def load_build(self) -> None:
        """Set the state of an object."""
        state = self.stack.pop()
        owner = self.stack[-1]
        if isinstance(owner, stand_ins.STATEFUL):
            owner.__setstate__(state)
        elif type(owner) is OrderedDict and isinstance(state, dict):  # a state dict's _metadata
            vars(owner).update(state)
        elif state is not owner:  # that of an old ConfigDict is itself
            raise RefusedError(f'a state of {type(owner).__name__}')

    dispatch[pickle.BUILD[0]] = load_build

    def load_append(self) -> None:
        """Append one item."""
        value = self.stack.pop()
        self._top(list).append(value)

    dispatch[pickle.APPEND[0]] = load_append

    def load_appends(self) -> None:
        """Append several items."""
        values = self.pop_mark()
        self._top(list).extend(values)

    dispatch[pickle.APPENDS[0]] = load_appends

    def load_setitem(self) -> None:
        """Set one item of a dict."""
        value, key = self.stack.pop(), self.stack.pop()
        self._top(*DICTS)[key] = value

    dispatch[pickle.SETITEM[0]] = load_setitem

    def load_setitems(self) -> None:
        """Set several items of a dict."""
        items = self.pop_mark()
        target = self._top(*DICTS)
        for i in range(0, len(items), 2):
            target[items[i]] = items[i + 1]

    dispatch[pickle.SETITEMS[0]] = load_setitems

    def load_additems(self) -> None:
        """Add several items to a set."""
        values = self.pop_mark()
        self._top(set).update(values)

    dispatch[pickle.ADDITEMS[0]] = load_additems

    def load_binpersid(self) -> None:
        """Load a storage, which lies outside the pickle."""
        key = self.stack.pop()
        if not (isinstance(key, tuple) and key and key[0] in ('storage', b'storage')):
            raise RefusedError('an object outside the pickle that is not a storage')
        if self.length is not None:
            _, kind, name, _, items = key
            size = items * torch._utils._element_size(getattr(kind, 'dtype', torch.uint8))
            if not 0 <= size <= type(self).length(name):
                raise UnreadableError('a storage in it claims more bytes than it has')
        self.append(self.persistent_load(key))

    dispatch[pickle.BINPERSID[0]] = load_binpersid

    def refuse(self) -> None:
        """Refuse instructions that PyTorch does not write; some could fill the memory."""
        raise UnreadableError('it contains an instruction that torch.save does not write')

    for _code in (
        *(pickle.PERSID, pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX),
        *(pickle.BYTEARRAY8, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER),
    ):
        dispatch[_code[0]] = refuse
    del _code


class Reader:
    """Serve as the ``pickle_module`` of ``torch.load``.

    Args:
        length: See :class:`Unpickler`.
    """

    __name__ = __name__

    def __init__(self, length: Callable[[str], int] | None = None) -> None:
        self.Unpickler = type(
            'Unpickler', (Unpickler,), dict(length=length and staticmethod(length))
        )

    def load(self, file: BinaryIO, **settings: Any) -> Any:
        """Read the next pickle of a file; the legacy format has several."""
        return self.Unpickler(file, **settings).load()

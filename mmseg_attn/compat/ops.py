"""Import MMSegmentation 1.2 with mmcv-lite, although it asks for compiled operators at import.

``import mmseg.models`` imports ``mmcv.ops``, and each of its modules asks
``mmcv.utils.ext_loader.load_ext`` for functions of the compiled ``mmcv._ext``. Where that is
absent, ``load_ext`` here returns functions that raise when called; no part of this package calls
them. There is no fake module ``mmcv._ext``: by its presence MMEngine decides whether mmcv's
SyncBatchNorm and deformable convolutions can be used. The onedl fork guards its imports and is left
alone.
"""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import mmseg
from mmcv.utils import ext_loader
from mmengine.utils import digit_version

UNGUARDED = digit_version(
    '1.3.0'
)  # older versions of MMSegmentation import mmcv.ops unconditionally


def are_missing() -> bool:
    """Tell whether MMSegmentation asks for operators that this mmcv does not have."""
    return digit_version(mmseg.__version__) < UNGUARDED and find_spec('mmcv._ext') is None


def allow_missing() -> None:
    """Let ``mmcv.ops`` be imported without ``mmcv._ext``."""
    ext_loader.load_ext = load_stubs


def load_stubs(name: str, funcs: Sequence[str]) -> SimpleNamespace:
    """Return, for each operator, a function that raises when called: our ``load_ext``."""
    return SimpleNamespace(**{op: VERSIONS.get(op) or _missing(op) for op in funcs})


def _missing(op: str) -> Callable[..., Any]:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            f'{op} is a compiled operator of mmcv, which mmcv-lite does not have: '
            'uninstall mmcv-lite, and compile mmcv for your PyTorch (docs/stacks.md says how)'
        )

    return fail


# mmcv.utils.collect_env calls these two wherever mmcv.ops can be imported.
VERSIONS = {op: lambda: 'n/a' for op in ('get_compiler_version', 'get_compiling_cuda_version')}

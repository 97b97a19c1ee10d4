"""What MMSegmentation 1.2 and MMEngine 0.10 need on today's PyTorch, NumPy and setuptools.

Each module says what breaks, where, and what it changes; each changes nothing where nothing breaks.
"""

from importlib.util import find_spec


def apply() -> None:
    """Makes the installed stack usable; to be called before ``mmseg.models`` is imported.

    Raises:
        ImportError: If a part of the stack is not installed.
    """
    missing = [name for name in ('torch', 'mmengine', 'mmcv', 'mmseg') if find_spec(name) is None]
    if missing:
        raise ImportError(
            f'mmseg_attn needs {", ".join(missing)}: run pip install torch "mmseg_attn[lite]" '
            '(in a clone: pip install torch -e ".[lite]")'
        )
    from . import checkpoint, ops, packages  # they import the stack

    ops.allow_missing_ops()
    packages.use_importlib()
    if checkpoint.is_broken():
        checkpoint.repair()

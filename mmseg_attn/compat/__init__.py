"""Make the installed stack usable; the table in :mod:`.replacements` lists every change.

Each module says what breaks, in which versions, and what it changes. It changes nothing where
nothing breaks.
"""

from importlib.util import find_spec


def apply() -> None:
    """Make the installed stack usable; call it before ``mmseg.models`` is imported.

    Raises:
        ImportError: If a part of the stack is not installed or does not fit the others.
    """
    missing = [name for name in ('torch', 'mmengine', 'mmcv', 'mmseg') if find_spec(name) is None]
    if missing:
        raise ImportError(
            f'mmseg_attn needs {", ".join(missing)}: run pip install torch "mmseg_attn[lite]" '
            '(in a clone: pip install torch -e ".[lite]")'
        )
    from . import versions

    versions.check_versions()
    from . import replacements  # imports the stack

    replacements.apply()

"""Test a checkpoint: MMSegmentation's own tool, with the parts of this plugin registered.

    python tools/test.py CONFIG CHECKPOINT [--show-dir DIR] [--out DIR] [--tta]

``--help`` lists all arguments; they are those of the installed MMSegmentation.
"""

import runpy
from pathlib import Path

import mmseg_attn  # noqa: F401  registers the parts and prepares the stack

if __name__ == '__main__':
    import mmseg

    tool = Path(mmseg.__file__).parent / '.mim' / 'tools' / Path(__file__).name
    runpy.run_path(str(tool), run_name='__main__')

"""Test a checkpoint: MMSegmentation's own tool, with the parts of this plugin registered.

    python tools/test.py CONFIG CHECKPOINT [--show-dir DIR] [--out DIR] [--tta]

``--help`` lists all arguments; they are those of the installed MMSegmentation.
"""

import runpy
import sys
from pathlib import Path

from mmseg_attn.compat.checkpoint import CheckpointError  # importing it registers the parts

if __name__ == '__main__':
    import mmseg

    tool = Path(mmseg.__file__).parent / '.mim' / 'tools' / Path(__file__).name
    try:
        runpy.run_path(str(tool), run_name='__main__')
    except CheckpointError as error:
        sys.exit(f'error: {error}')

"""Test a checkpoint with MMSegmentation's own tool; the parts of this plugin are registered.

    python tools/test.py CONFIG CHECKPOINT [--show-dir DIR] [--out DIR] [--tta]

Run it with ``--help`` for the arguments, which are those of the installed MMSegmentation.
"""

import os
import runpy
from pathlib import Path

if not {'GOMP_SPINCOUNT', 'OMP_WAIT_POLICY'} & os.environ.keys():
    os.environ['GOMP_SPINCOUNT'] = '1000'  # before PyTorch: docs/performance.md, "A busy machine"

if __name__ == '__main__':
    train = runpy.run_path(str(Path(__file__).with_name('train.py')))
    train['check_arguments']('test.py')

    # importing it registers the parts
    from mmseg_attn.engine.standard_tool import run_standard_tool

    run_standard_tool('test.py')

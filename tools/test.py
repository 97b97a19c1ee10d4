"""Test a checkpoint: MMSegmentation's own tool, with the parts of this plugin registered.

    python tools/test.py CONFIG CHECKPOINT [--show-dir DIR] [--out DIR] [--tta]

``--help`` lists all arguments; they are those of the installed MMSegmentation.
"""

from mmseg_attn.engine.standard_tool import run_standard_tool  # importing it registers the parts

if __name__ == '__main__':
    run_standard_tool('test.py')

"""Train a model: MMSegmentation's own tool, with the parts of this plugin registered.

    python tools/train.py CONFIG [--work-dir DIR] [--resume] [--amp] [--cfg-options KEY=VALUE ...]

``--help`` lists all arguments; they are those of the installed MMSegmentation.
"""

from mmseg_attn.engine.standard_tool import run_standard_tool  # importing it registers the parts

if __name__ == '__main__':
    run_standard_tool('train.py')

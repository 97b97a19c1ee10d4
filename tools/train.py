"""Train a model with MMSegmentation's own tool; the parts of this plugin are registered.

    python tools/train.py CONFIG [--work-dir DIR] [--resume] [--amp] [--cfg-options KEY=VALUE ...]

Run it with ``--help`` for the arguments, which are those of the installed MMSegmentation.
"""

import argparse
import ast
import contextlib
import os
from importlib.util import find_spec
from pathlib import Path

if not {'GOMP_SPINCOUNT', 'OMP_WAIT_POLICY'} & os.environ.keys():
    os.environ['GOMP_SPINCOUNT'] = '1000'  # before PyTorch: docs/performance.md, "A busy machine"


def check_arguments(tool: str) -> None:
    """Parse the arguments of this process as a tool of the installed MMSegmentation does.

    The tool imports PyTorch before it answers ``--help``. This function runs only its
    ``parse_args``; if there is none, the tool itself parses the arguments.
    """
    with contextlib.suppress(Exception):
        file = Path(find_spec('mmseg').origin).parent / '.mim/tools' / tool
        parts = ast.parse(file.read_text(encoding='utf-8')).body
        parts = [part for part in parts if getattr(part, 'name', '') == 'parse_args']
        scope = dict(argparse=argparse, os=os, DictAction='store')  # values are not needed here
        exec(compile(ast.Module(parts, []), file, 'exec'), scope)
        scope['parse_args']()


if __name__ == '__main__':
    check_arguments('train.py')

    # importing it registers the parts
    from mmseg_attn.engine.standard_tool import run_standard_tool

    run_standard_tool('train.py')

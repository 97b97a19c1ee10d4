"""Trains MMSegmentation's own U-Net for two iterations, where this package is not imported.

python tests/compat/written_elsewhere.py CONFIG WORK_DIR
"""

import importlib.util
import sys
from unittest import mock

if importlib.util.find_spec('mmcv._ext') is None:
    sys.modules['mmcv.ops'] = mock.MagicMock()  # compiled elsewhere; nothing here calls it

from mmengine.config import Config
from mmengine.runner import Runner

config, work_dir = sys.argv[1:]
Runner.from_cfg(Config(dict(Config.fromfile(config), work_dir=work_dir))).train()
assert 'mmseg_attn' not in sys.modules

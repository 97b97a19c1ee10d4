"""Our parts in a config of another project, through ``custom_imports`` alone."""

import re

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS


def test_the_config_in_the_readme_builds(root, tmp_path):
    text = (root / 'README.md').read_text()
    (config,) = re.findall(r'```python\n(# resnet50.*?)```', text, re.S)
    path = tmp_path / 'config.py'
    path.write_text(config)
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    assert type(model.decode_head).__name__ == 'LFAHead'

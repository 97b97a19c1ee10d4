"""A training with known weights."""

import json

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from tests.apps.report import fakes


@pytest.fixture
def run(tmp_path):
    """A run whose random weights are saved, and whose test has scores."""
    run = fakes.make_run(tmp_path / 'my-run')
    cfg = Config.fromfile(run.config)
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'start.pth'))
    weights = tmp_path / 'weights.json'
    weights.write_text('[1.0, 1.0, 2.0, 1.0, 1.0]')
    cfg.model.decode_head.loss_decode = dict(type='SoftmaxFocalLoss', class_weight=str(weights))
    cfg.work_dir, cfg.load_from = str(run.folder), str(tmp_path / 'start.pth')
    cfg.test_dataloader.dataset.data_root = str(tmp_path)
    cfg.dump(run.config)
    del cfg.model.backbone['init_cfg'], cfg.model.decode_head['loss_decode']
    init_default_scope('mmseg')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    for values in model.state_dict().values():
        if values.is_floating_point():
            values.copy_(torch.rand_like(values) + 0.1)
    torch.save(dict(state_dict=model.state_dict(), meta={}), run.checkpoint)
    file = run.folder / 'test/20240102_030405/20240102_030405.json'
    file.parent.mkdir(parents=True)
    scores = {'mIoU': 61.25, 'IoU.synapse': 40.5, 'IoU.membrane': 71.123456}
    file.write_text(json.dumps(scores))
    return run

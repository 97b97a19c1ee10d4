"""Every decoder and neck on every pretrained encoder, and the configs with such an encoder."""

import re
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import nn

from benchmarks import encoder_grid
from mmseg_attn.evaluation import complexity

pytest.importorskip('timm', exc_type=Exception)

ROOT = Path(__file__).resolve().parents[2]
LEAVES = sorted(
    path for path in ROOT.glob('configs/*/*.py') if '_base_/encoders/' in path.read_text()
)
ENCODERS = encoder_grid.encoders()


@pytest.fixture(scope='module', params=ENCODERS)
def encoder(request) -> tuple[Config, nn.Module]:
    """A config of an encoder, and the encoder, which is built once."""
    init_default_scope('mmseg')
    config = ENCODERS[request.param]
    cfg = {key: value for key, value in config.encoder.items() if key != '_delete_'}
    return config, MODELS.build(cfg).train()


@pytest.mark.parametrize('part', encoder_grid.PARTS)
def test_a_step_of_every_part_on_every_encoder(encoder, part):
    config, backbone = encoder
    cfg = encoder_grid.segmentor(config, encoder_grid.PARTS[part], num_classes=3)
    network = nn.ModuleList([MODELS.build(cfg['decode_head'])])
    maps = backbone(torch.randn(2, 3, 64, 64))
    assert [x.shape[1] for x in maps] == list(config.encoder_channels)
    if 'neck' in cfg:
        network.insert(0, MODELS.build(cfg['neck']))
    network.train()
    backbone.zero_grad()
    for module in network:
        maps = module(maps)
    logits = maps
    assert logits.shape[:2] == (2, 3)
    target = torch.randint(0, 3, (2, *logits.shape[2:]))
    nn.functional.cross_entropy(logits, target).backward()
    learning = [p for p in [*network.parameters(), *backbone.parameters()] if p.requires_grad]
    used = [p for p in learning if p.grad is not None and torch.isfinite(p.grad).all()]
    if part != 'LargeFOVHead':  # which takes the coarsest map alone
        assert len(used) == len(learning)
    torch.optim.SGD(learning, lr=0.1).step()


def test_the_page_has_the_table():
    assert encoder_grid.table() in (ROOT / 'docs/encoders.md').read_text()


def test_there_is_a_config_with_every_encoder():
    text = '\n'.join(path.read_text() for path in LEAVES)
    assert set(re.findall(r'_base_/encoders/(\w+)\.py', text)) == set(ENCODERS)


@pytest.mark.parametrize('path', LEAVES, ids=[path.stem for path in LEAVES])
def test_the_metafile_states_the_counted_cost(path):
    cfg = Config.fromfile(path)
    models = yaml.safe_load((path.parent / 'metafile.yaml').read_text())['Models']
    (metadata,) = (model['Metadata'] for model in models if model['Name'] == path.stem)
    size = map(int, metadata['Input Size'].split('x'))
    counted = complexity(cfg.model, (cfg.model.backbone.get('in_channels', 3), *size))
    assert counted == (metadata['Parameters'], metadata['FLOPs'])

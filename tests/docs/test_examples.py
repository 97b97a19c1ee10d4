"""The Python code of the pages does what they say; configs in them train."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS

from tests.docs.pages import PAGES, ROOT, Block, blocks, name

PYTHON = [block for page in PAGES for block in blocks(page, 'python')]
CONFIGS = [block for block in PYTHON if block.code.startswith('# ') and '.py\n' in block.code]
PROGRAMS = [b for b in PYTHON if b.code.startswith(('import ', 'from ')) and not b.marked]
COMPLETE = {'model', 'train_dataloader', 'test_dataloader', 'optim_wrapper', 'default_hooks'}
MODEL_PAGES = ROOT / 'docs/models'


def label(block: Block) -> str:
    return f'{name(block.page)}: {block.code.splitlines()[0]}'


def load(block: Block, folder: Path) -> Config:
    """Save a config where its first line says, beside our base configs, and read it."""
    path = folder / block.code.split()[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent.parent.name == 'configs':
        (path.parent.parent / '_base_').symlink_to(ROOT / 'configs/_base_')
    path.write_text(block.code)
    return Config.fromfile(path)


def test_there_are_examples():
    assert len([block for block in CONFIGS if block.page.parent == MODEL_PAGES]) == 6
    assert len(CONFIGS) > 7
    assert len(PROGRAMS) > 1


@pytest.mark.parametrize('block', PYTHON, ids=label)
def test_the_code_is_python(block):
    compile(block.code, name(block.page), 'exec')


@pytest.mark.parametrize('block', PROGRAMS, ids=label)
def test_programs_run(block, monkeypatch):
    monkeypatch.setattr(MODELS, '_module_dict', dict(MODELS._module_dict))
    exec(block.code, {})


@pytest.mark.parametrize('block', CONFIGS, ids=label)
def test_configs_build(block, tmp_path):
    cfg = load(block, tmp_path)
    assert cfg.custom_imports.imports == ['mmseg_attn']
    for key in (
        'train_dataloader',
        'test_dataloader',
        'optim_wrapper',
        'train_cfg',
        'default_hooks',
    ):
        assert cfg[key]
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model).eval()
    channels = cfg.model.backbone.get('in_channels', 3)
    with torch.no_grad():
        logits = model(torch.rand(1, channels, 64, 64))
    assert logits.shape[1] == cfg.model.decode_head.num_classes


@pytest.mark.parametrize(
    'block', [block for block in CONFIGS if block.page.parent == MODEL_PAGES], ids=label
)
def test_configs_of_the_model_pages_train(block, tmp_path, pseudo_data, monkeypatch):
    for variable, folder in pseudo_data.items():
        monkeypatch.setenv(variable, folder)
    cfg = load(block, tmp_path)
    model = MODELS.build(cfg.model)
    train_set = DATASETS.build(cfg.train_dataloader.dataset)
    batch = pseudo_collate([train_set[0], train_set[1]])
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    loss = model.train_step(batch, optim_wrapper)['loss']
    assert torch.isfinite(loss)

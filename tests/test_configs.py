"""Every config: its name, its model, one training and one test step through its own pipeline."""

import re
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config, ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from mmseg.registry import DATASETS, MODELS, VISUALIZERS

from mmseg_attn.evaluation import complexity
from tests.config_files import BUILDABLE, CONFIGS, ROOT, needs_timm

METAFILES = sorted(ROOT.glob('configs/*/metafile.yaml'))
NAME = re.compile(  # {algorithm}_{gpus}xb{batch}-{schedule}_{dataset}-{crop}
    r'[a-z0-9]+(-[a-z0-9]+)*_\d+xb\d+-\d+[eik]+_[a-z0-9]+(-[a-z0-9]+)*-\d+x\d+\.py'
)
UNCHANGED = {'DrosophilaDataset': (256, 256), 'COVID19CTDataset': (512, 512)}  # by no transform
names = [p.name for p in CONFIGS]


def test_there_are_configs():
    assert CONFIGS
    assert METAFILES
    assert len(set(names)) == len(names)


@pytest.mark.parametrize('path', CONFIGS, ids=names)
def test_name_says_batch_length_data_and_size_and_folder_is_the_algorithm(path):
    assert NAME.fullmatch(path.name)
    batch, length, unit, data, height, width = re.search(
        r'xb(\d+)-(\d+)([ei])_([a-z0-9-]+?)(?:-crops)?-(\d+)x(\d+)\.py', path.name
    ).groups()
    cfg = Config.fromfile(path)
    assert cfg.train_dataloader.batch_size == int(batch)
    assert cfg.train_cfg[{'e': 'max_epochs', 'i': 'max_iters'}[unit]] == int(length)
    assert f'datasets/{data.replace("-", "_")}' in bases(path)
    assert (int(width), int(height)) in training_sizes(cfg)
    assert path.name.startswith(path.parent.name.replace('_', '-'))


def bases(path: Path) -> str:
    """The names of all files that a config inherits from, by lines."""
    found = re.search(r'^_base_ = (\[.*?\]|\S+)', path.read_text(), re.S | re.M)
    names = re.findall(r"'(.*?)'", found[1]) if found else []
    return '\n'.join(names + [bases(path.parent / name) for name in names])


def training_sizes(cfg: Config) -> list[tuple[int, int]]:
    """Widths and heights that the training shows the network, the last one if it grows."""
    for hook in cfg.get('custom_hooks', []):
        if hook.type == 'ResolutionScheduleHook':
            return [tuple(hook.schedule[max(hook.schedule)])]
    steps = cfg.train_dataloader.dataset.pipeline
    kinds = 'RandomCrop', 'ClassBalancedCrop'
    crops = [tuple(step.crop_size)[::-1] for step in steps if step.type in kinds]
    resized = [tuple(step.scale) for step in steps if step.type == 'Resize']
    return crops or resized or [UNCHANGED[cfg.dataset.type]]


@pytest.mark.parametrize('path', CONFIGS, ids=names)
def test_inheritance_is_at_most_three_deep(path):
    def depth(file: Path) -> int:
        bases = re.search(r'^_base_ = (\[.*?\]|\S+)', file.read_text(), re.S | re.M)
        found = re.findall(r"'(.*?)'", bases[1]) if bases else []
        return 1 + max((depth(file.parent / base) for base in found), default=0)

    assert depth(path) <= 3 + 1  # the leaf, then three


def shrink(cfg: ConfigDict | list) -> None:
    """Divide the sizes of images, crops and windows by eight, so that a CPU is quick."""
    for key, value in cfg.items() if isinstance(cfg, dict) else enumerate(cfg):
        if key in ('scale', 'crop_size', 'size', 'stride') and value is not None:
            cfg[key] = tuple(side // 8 for side in value)
        elif isinstance(value, dict | list):
            shrink(value)


@pytest.mark.parametrize('path', BUILDABLE)
def test_one_training_and_one_test_step(path, pseudo_data, monkeypatch):
    for name, value in pseudo_data.items():
        monkeypatch.setenv(name, value)
    cfg = Config.fromfile(path)
    for part in (cfg.model, cfg.train_dataloader, cfg.test_dataloader):
        shrink(part)
    model = MODELS.build(cfg.model)

    train_set = DATASETS.build(cfg.train_dataloader.dataset)
    batch = pseudo_collate([train_set[0], train_set[1]])
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    data = model.train().data_preprocessor(batch, training=True)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    assert torch.isfinite(loss)
    loss.backward()
    learning = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    assert [name for name, p in learning if p.grad is None] == []
    optim_wrapper.step()
    uses = [int(b) for name, b in model.named_buffers() if name.endswith('num_batches_tracked')]
    assert not uses or max(uses) == 1, 'running statistics of several uses fit none of them'

    test_set = DATASETS.build(cfg.test_dataloader.dataset)
    assert cfg.model.decode_head.num_classes == len(test_set.metainfo['classes'])
    evaluator = Runner.build_evaluator(None, cfg.test_evaluator)  # as MMSegmentation's tools do
    evaluator.dataset_meta = test_set.metainfo
    batch = pseudo_collate([test_set[0]])
    evaluator.process(data_batch=batch, data_samples=model.eval().test_step(batch))
    assert 'mIoU' in evaluator.evaluate(size=1)


@pytest.mark.parametrize('path', CONFIGS, ids=names)
def test_runtime_has_what_users_expect(path):
    cfg = Config.fromfile(path)
    assert cfg.custom_imports.imports == ['mmseg_attn']
    assert cfg.optim_wrapper.type == 'OptimWrapper'  # what --amp asks for
    assert {'visualization', 'checkpoint'} <= set(cfg.default_hooks)
    assert cfg.default_hooks.checkpoint.save_best == 'mIoU'
    assert cfg.tta_model.type == 'SegTTAModel'
    assert cfg.tta_pipeline[-1].type == 'TestTimeAug'
    assert cfg.test_pipeline == cfg.test_dataloader.dataset.pipeline  # what inference_model reads
    assert cfg.randomness.seed == 0
    assert cfg.visualizer.type in VISUALIZERS


@pytest.mark.parametrize('path', METAFILES, ids=[p.parent.name for p in METAFILES])
def test_metafile_states_the_counted_cost_and_nothing_unmeasured(path):
    content = yaml.safe_load(path.read_text())
    assert content['Models']
    for model in content['Models']:
        config = ROOT / model['Config']
        assert config.stem == model['Name']
        assert 'Results' not in model  # no score that nobody measured
        if needs_timm(config):  # see tests/models/test_pretrained_encoders.py
            continue
        cfg = Config.fromfile(config)
        channels = cfg.model.backbone.get('in_channels', 3)
        height, width = map(int, model['Metadata']['Input Size'].split('x'))
        parameters, flops = complexity(cfg.model, (channels, height, width))
        assert model['Metadata']['Parameters'] == parameters
        assert model['Metadata']['FLOPs'] == flops


def test_every_algorithm_has_a_readme_and_stands_in_the_index():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    assert index == [str(p.relative_to(ROOT)) for p in METAFILES]
    for path in METAFILES:
        listed = {m['Name'] for m in yaml.safe_load(path.read_text())['Models']}
        assert listed == {p.stem for p in path.parent.glob('*.py')}
        assert (path.parent / 'README.md').stat().st_size > 500


def test_the_fold_is_one_variable(monkeypatch):
    monkeypatch.setenv('FOLD', '3')
    cfg = Config.fromfile(ROOT / 'configs/unet/unet_1xb8-1500e_drosophila-256x256.py')
    loaders = cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader
    splits = [loader.dataset.ann_file for loader in loaders]
    assert splits == [f'splits/fold3/{split}.txt' for split in ('train', 'val', 'test')]

"""Datasets of MMSegmentation whose files are not where the config says."""

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image

from mmseg_attn.apps.check import check_config
from mmseg_attn.apps.report import evaluation
from mmseg_attn.apps.runs import Run
from mmseg_attn.datasets.building import build_dataset, explain_listing
from mmseg_attn.engine.standard_tool import run_standard_tool
from mmseg_attn.errors import DataError

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
BASE = dict(
    type='BaseSegDataset',
    data_prefix=dict(img_path='images', seg_map_path='masks'),
    img_suffix='.png',
    metainfo=dict(classes=('ground', 'cell'), palette=[[0] * 3, [9] * 3]),
    pipeline=LOAD,
)
VOC = dict(
    type='PascalVOCDataset',
    ann_file='ImageSets/train.txt',
    data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
    pipeline=LOAD,
)
CITY = dict(
    type='CityscapesDataset',
    data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
    pipeline=LOAD,
)


@pytest.fixture
def root(tmp_path) -> Path:
    for name in ('images', 'masks'):
        (tmp_path / name).mkdir()
        Image.fromarray(np.eye(8, dtype=np.uint8)).save(tmp_path / name / '0.png')
    return tmp_path


# config of a dataset below the root {0}, the missing path, and the setting to correct
FAULTS = {
    'data_root': (dict(BASE, data_root='{0}/no'), '{0}/no', 'data_root of BaseSegDataset'),
    'relative': (dict(BASE, data_root='no'), 'no', 'data_root of BaseSegDataset'),
    'ann_file': (
        dict(BASE, data_root='{0}', ann_file='no/train.txt'),
        '{0}/no/train.txt',
        'ann_file (relative to data_root {0}) of BaseSegDataset',
    ),
    'img_path': (
        dict(BASE, data_root='{0}', data_prefix=dict(img_path='no', seg_map_path='masks')),
        '{0}/no',
        'data_prefix.img_path (relative to data_root {0}) of BaseSegDataset',
    ),
    'without a root': (
        dict(BASE, data_prefix=dict(img_path='{0}/no', seg_map_path='{0}/masks')),
        '{0}/no',
        'data_prefix.img_path of BaseSegDataset',
    ),
    'assertion without text': (
        dict(VOC, data_root='{0}'),
        '{0}/ImageSets/train.txt',
        'ann_file (relative to data_root {0}) of PascalVOCDataset',
    ),
    'wrapped': (
        dict(type='RepeatDataset', times=2, dataset=dict(CITY, data_root='{0}')),
        '{0}/leftImg8bit/train',
        'data_prefix.img_path (relative to data_root {0}) of CityscapesDataset',
    ),
    'concatenated': (
        dict(
            type='ConcatDataset',
            datasets=[dict(BASE, data_root='{0}'), dict(CITY, data_root='{0}/city')],
        ),
        '{0}/city',
        'data_root of CityscapesDataset',
    ),
}


def below(root: Path, value):
    """Insert the root into all texts of a config."""
    if isinstance(value, dict):
        return {key: below(root, inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [below(root, inner) for inner in value]
    return value.format(root) if isinstance(value, str) else value


@pytest.fixture(params=FAULTS)
def fault(request, root, monkeypatch) -> tuple[dict, str, str]:
    monkeypatch.chdir(root)
    config, path, setting = below(root, FAULTS[request.param])
    local = '' if Path(path).is_absolute() else f' in {root}'
    return (
        config,
        f'{path} is missing{local}',
        f'correct {setting} in the config, or put the data there',
    )


def test_the_missing_path_and_its_setting_are_named(fault):
    config, why, remedy = fault
    with pytest.raises(DataError) as caught:
        build_dataset(config)
    assert str(caught.value) == f'{why}: {remedy}'


def test_one_suffix_is_taken(root):
    config = dict(BASE, data_root=str(root), img_suffix=('.png', '.jpg'))
    (finding,) = check_config(Config(dict(train_dataloader=dict(dataset=config)))).findings
    assert "img_suffix of BaseSegDataset is ('.png', '.jpg'), but" in finding.message
    assert finding.remedy.startswith('use a dataset for each suffix')


def test_the_check_has_the_same_remedy(fault):
    config, why, remedy = fault
    findings = check_config(Config(dict(train_dataloader=dict(dataset=config)))).findings
    (refused,) = [finding for finding in findings if finding.kind == 'refused']
    assert (refused.message, refused.remedy) == (f'the dataset cannot be listed: {why}', remedy)


def test_the_tools_of_the_host_say_it(fault, monkeypatch):
    config, why, remedy = fault
    monkeypatch.setattr(
        'runpy.run_path',
        lambda *args, **kwargs: Runner.build_dataloader(
            dict(dataset=config, batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler'))
        ),
    )
    monkeypatch.setattr('sys.argv', ['train.py', 'config.py'])
    with pytest.raises(SystemExit) as end:
        run_standard_tool('train.py')
    assert end.value.code == f'error: {why}: {remedy}'


def test_the_report_says_it(fault, monkeypatch, tmp_path):
    config, why, remedy = fault
    monkeypatch.setattr(evaluation, 'Predictor', lambda *args, **kwargs: None)
    run = Run(tmp_path, 'x', [], tmp_path / 'config.py', tmp_path / 'x.pth')
    run.cfg = Config(dict(test_dataloader=dict(dataset=config, batch_size=1, num_workers=0)))
    with pytest.raises(DataError) as caught:
        evaluation.evaluate(run, 'test')
    assert str(caught.value) == f'{why}: {remedy}'


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (
            dict(img_suffix='.jpg'),
            '{0}/images contains no image with the suffix .jpg: correct data_prefix.img_path or '
            'img_suffix of BaseSegDataset in the config',
        ),
        (
            dict(ann_file='empty.txt'),
            '{0}/empty.txt names no image: correct ann_file of BaseSegDataset in the config',
        ),
    ],
)
def test_a_dataset_without_images(root, settings, message):
    (root / 'empty.txt').write_text('')
    with pytest.raises(DataError) as caught:
        build_dataset(dict(BASE, data_root=str(root), **settings))
    assert str(caught.value) == message.format(root)


def test_other_errors_are_left_alone(root):
    assert explain_listing(FileNotFoundError('a.txt')) is None
    with pytest.raises(KeyError, match='NoDataset'):
        build_dataset(dict(type='NoDataset'))
    dataset = build_dataset(dict(BASE, data_root=str(root)))
    (root / 'images/0.png').unlink()
    with pytest.raises(FileNotFoundError) as caught:
        dataset[0]
    assert explain_listing(caught.value) is None


def test_datasets_with_their_own_remedy_say_it(root):
    ours = dict(BASE, type='DrosophilaDataset', data_root=str(root / 'no'))
    del ours['metainfo']
    with pytest.raises(FileNotFoundError, match=r'is missing: run python tools/dataset_converters'):
        build_dataset(ours)

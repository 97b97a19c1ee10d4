"""Every dataset through its config, whole and damaged."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from PIL import Image

from mmseg_attn.errors import DataError

CITYSCAPES = 'CITYSCAPES_ROOT and run csCreateTrainIdLabelImgs'
REMEDIES = {  # what the message of each config's dataset says
    'cityscapes': CITYSCAPES,
    'cityscapes20': CITYSCAPES,
    'covid19': r'run .*/covid19\.py',
    'drosophila': r'run .*/drosophila\.py',
    'floodnet': 'get the complete FloodNet',
    'knee_mri': r'run .*/knee_mri\.py',
    'voc2012': r'VOC_ROOT and run .*/voc_split\.py',
}
SPLIT_BY_FILE = ('covid19', 'drosophila', 'knee_mri', 'voc2012')
CLASSES = {
    'covid19': ('background', 'lungs other', 'ground glass', 'consolidation'),
    'drosophila': ('membrane', 'mitochondria', 'synapse', 'extracellular', 'intracellular'),
    'knee_mri': ('background', 'patellar ligament'),
}
PIPELINE = [
    dict(type='LoadImageFromFile', color_type='grayscale'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]


@pytest.fixture
def load(root, pseudo_data, monkeypatch, tmp_path):
    """Give the training set of a config, on a copy of its pseudo data."""
    for variable, folder in pseudo_data.items():
        monkeypatch.setenv(variable, folder)

    def load(name: str) -> dict:
        config = Config.fromfile(root / f'configs/_base_/datasets/{name}.py')
        cfg = config.train_dataloader.dataset
        copy = shutil.copytree(cfg.data_root, tmp_path / 'data')
        return dict(cfg, data_root=str(copy))

    return load


def remove(path: str) -> None:
    shutil.rmtree(path) if Path(path).is_dir() else Path(path).unlink()


def remove_images(dataset: BaseSegDataset) -> None:
    for info in dataset:
        remove(info['img_path'])


DAMAGES = {
    'no root': (lambda d: remove(d.data_root), '(split file|image folder) .* is missing'),
    'no image folder': (lambda d: remove(d.data_prefix['img_path']), 'image folder .* is missing'),
    'no label folder': (
        lambda d: remove(d.data_prefix['seg_map_path']),
        'label folder .* is missing',
    ),
    'no label': (lambda d: remove(d[1]['seg_map_path']), r'The label .*\.png is missing'),
    'no images': (remove_images, r'contains no .* image|The image .* is missing'),
}
FOLDER_DAMAGES = {
    'no image': (lambda d: remove(d[1]['img_path']), r'image of .*\.png is missing'),
}
SPLIT_DAMAGES = {
    'no split': (lambda d: remove(d.ann_file), r'split file .*train\.txt is missing'),
    'binary split': (
        lambda d: Path(d.ann_file).write_bytes(b'a\xff'),
        r'train\.txt is not text in UTF-8 \(invalid start byte at byte 1\)',
    ),
    'empty split': (lambda d: Path(d.ann_file).write_text('\n \n'), r'train\.txt is empty'),
    'no image': (lambda d: remove(d[1]['img_path']), r'The image .*\.(png|jpg) is missing'),
}
CASES = [
    (name, damage)
    for name in REMEDIES
    for damage in DAMAGES | (SPLIT_DAMAGES if name in SPLIT_BY_FILE else FOLDER_DAMAGES)
]


@pytest.mark.parametrize(('name', 'damage'), CASES)
def test_what_is_missing_is_named_with_its_remedy(load, name, damage):
    cfg = dict(load(name), pipeline=[])
    more = SPLIT_DAMAGES if name in SPLIT_BY_FILE else FOLDER_DAMAGES
    harm, message = (DAMAGES | more)[damage]
    harm(DATASETS.build(cfg))
    with pytest.raises((OSError, ValueError), match=f'({message}): .*{REMEDIES[name]}'):
        DATASETS.build(cfg)


@pytest.mark.parametrize('name', CLASSES)
def test_a_converted_set_has_one_channel_and_its_mask_unchanged(load, name):
    dataset = DATASETS.build(dict(load(name), pipeline=PIPELINE))
    assert dataset.metainfo['classes'] == CLASSES[name]
    assert len({tuple(color) for color in dataset.metainfo['palette']}) == len(CLASSES[name])
    assert dataset.metainfo['reduce_zero_label'] is False
    sample, files = dataset[1], dataset.get_data_info(1)
    for values, key in (
        (sample['inputs'], 'img_path'),
        (sample['data_samples'].gt_sem_seg.data, 'seg_map_path'),
    ):
        np.testing.assert_array_equal(values[0], np.array(Image.open(files[key])))


def test_without_a_split_all_images_are_used(load):
    assert len(DATASETS.build(dict(load('drosophila'), ann_file=''))) == 8


@pytest.mark.parametrize(
    ('name', 'folder', 'count'),
    [('covid19', 'images', 4), ('floodnet', 'train/train-org-img', 2)],
)
def test_images_alone_need_no_labels(load, name, folder, count):
    cfg = dict(load(name), data_prefix=dict(img_path=folder), pipeline=[])
    assert len(DATASETS.build(cfg)) == count


def test_lazy_init_needs_no_files(load):
    dataset = DATASETS.build(dict(load('knee_mri'), ann_file='nothing.txt', lazy_init=True))
    assert dataset.metainfo['classes'] == CLASSES['knee_mri']


@pytest.mark.parametrize('length', [0, 200])
@pytest.mark.parametrize('key', ['img_path', 'seg_map_path'])
def test_a_damaged_file_ends_a_training_in_one_sentence(load, key, length):
    dataset = DATASETS.build(load('drosophila'))
    path = Path(dataset.get_data_info(0)[key])
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match=f'{path.name} is truncated or damaged') as caught:
        dataset[0]
    assert '\n' not in str(caught.value)


def test_what_is_no_fault_of_a_file_keeps_its_error(load):
    dataset = DATASETS.build(load('drosophila'))
    dataset.pipeline.transforms.append(lambda results: {}['no key'])
    with pytest.raises(KeyError, match='no key'):
        dataset[0]

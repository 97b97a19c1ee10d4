"""The base configs of the datasets on pseudo data: what the network and the metric see."""

import mmseg
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmseg.registry import DATASETS, METRICS, MODELS, TRANSFORMS

CROPS = 'da_unet/da-unet_1xb8-300e_floodnet-crops-512x512'

# input of the network in training and in testing, and what labels may be in training
CONFIGS = {
    'floodnet': ((3, 512, 512), (3, 512, 512), range(10)),
    CROPS: ((3, 96, 144), (3, 96, 128), [*range(10), 255]),
    'knee_mri': ((1, 512, 512), (1, 512, 512), [0, 1, 255]),
    'covid19': ((1, 64, 64), (1, 64, 64), range(4)),
    'cityscapes': ((3, 64, 128), (3, 64, 128), [*range(19), 255]),
    'cityscapes20': ((3, 224, 224), (3, 250, 250), range(20)),
    'voc2012': ((3, 224, 224), (3, 250, 250), [*range(21), 255]),
}


@pytest.fixture
def load(root, pseudo_data, monkeypatch):
    def load(name):
        for variable, value in pseudo_data.items():
            monkeypatch.setenv(variable, value)
        folder = 'configs' if '/' in name else 'configs/_base_/datasets'
        return Config.fromfile(root / f'{folder}/{name}.py')

    return load


def batch(cfg, loader, count):
    np.random.seed(0)  # crops and flips
    dataset = DATASETS.build(cfg[f'{loader}_dataloader'].dataset)
    preprocessor = MODELS.build(cfg.data_preprocessor)
    samples = pseudo_collate([dataset[i] for i in range(count)])
    return dataset, preprocessor(samples, training=loader == 'train')


@pytest.mark.parametrize('name', CONFIGS)
def test_shapes_and_labels(load, name):
    cfg = load(name)
    train_shape, test_shape, labels = CONFIGS[name]
    dataset, train = batch(cfg, 'train', 2)
    assert len(dataset.metainfo['classes']) == len(dataset.metainfo['palette']) == cfg.num_classes
    assert train['inputs'].shape == (2, *train_shape)
    seen = set()
    for sample in train['data_samples']:
        assert sample.gt_sem_seg.shape == train_shape[1:]
        seen |= set(sample.gt_sem_seg.data.unique().tolist())
    assert seen == set(labels)
    for loader in ('val', 'test'):
        _, test = batch(cfg, loader, 1)
        (sample,) = test['data_samples']
        assert test['inputs'].shape == (1, *test_shape)
        assert sample.gt_sem_seg.shape == sample.ori_shape  # the metric sees the original size
        METRICS.build(cfg[f'{loader}_evaluator'])
    augmented = DATASETS.build(dict(cfg.test_dataloader.dataset, pipeline=cfg.tta_pipeline))[0]
    assert len(augmented['inputs']) == 2
    assert torch.equal(augmented['inputs'][1], augmented['inputs'][0].flip(-1))


@pytest.mark.parametrize('name', CONFIGS)
def test_training_and_test_images_are_different(load, name):
    cfg = load(name)
    paths = []
    for loader in ('train', 'test'):
        dataset = DATASETS.build(cfg[f'{loader}_dataloader'].dataset)
        paths.append({dataset.get_data_info(i)['img_path'] for i in range(len(dataset))})
    assert paths[0].isdisjoint(paths[1])


def test_padding_of_knee_mri_is_ignored_and_cut_off(load):
    cfg = load('knee_mri')
    _, train = batch(cfg, 'train', 1)
    mask = train['data_samples'][0].gt_sem_seg.data[0]
    assert (mask[384:] == 255).all()  # 72x96 becomes 384x512
    assert (mask[:384] != 255).all()
    assert (train['inputs'][0, :, 384:] == 0).all()
    _, test = batch(cfg, 'test', 1)
    assert tuple(test['data_samples'][0].img_padding_size) == (0, 0, 0, 128)
    for part in (train, test):  # evenly spread gray values, before and after the resize
        gray = part['inputs'][0, :, :384]
        assert abs(gray.mean()) < 0.1
        assert 0.8 < gray.std() < 1.1


def test_knee_mri_is_enhanced_alike_in_training_and_testing(load):
    cfg = load('knee_mri')
    path = cfg.train_dataloader.dataset.ann_file
    both = [
        DATASETS.build(dict(cfg.train_dataloader.dataset, ann_file=path, pipeline=pipeline))[0]
        for pipeline in (cfg.train_pipeline, cfg.test_pipeline)
    ]
    assert torch.equal(both[0]['inputs'], both[1]['inputs'])


def test_all_ignored_pixels_of_cityscapes_become_background(load):
    dataset, _ = batch(load('cityscapes20'), 'val', 1)
    plain, _ = batch(load('cityscapes'), 'val', 1)
    assert dataset.metainfo['classes'] == (*plain.metainfo['classes'], 'background')
    assert dataset.metainfo['palette'][:19] == plain.metainfo['palette']
    for i in range(2):
        ours, theirs = (each[i]['data_samples'].gt_sem_seg.data for each in (dataset, plain))
        assert (theirs == 255).any()
        assert torch.equal(ours, theirs.where(theirs != 255, 19))


def test_covid19_at_256(load):
    cfg = load('covid19')
    for loader, pipeline in (('train', cfg.train_pipeline_256), ('val', cfg.test_pipeline_256)):
        dataset = DATASETS.build(dict(cfg[f'{loader}_dataloader'].dataset, pipeline=pipeline))
        assert dataset[0]['inputs'].shape == (1, 256, 256)
        size = 256 if loader == 'train' else 64
        assert dataset[0]['data_samples'].gt_sem_seg.shape == (size, size)


@pytest.mark.parametrize('fold', range(4))
def test_covid19_folds(load, monkeypatch, fold):
    monkeypatch.setenv('FOLD', str(fold))
    cfg = load('covid19')
    assert cfg.train_dataloader.dataset.ann_file == f'splits/fold{fold}/train.txt'
    assert len(cfg.class_weight) == cfg.num_classes


def test_knee_mri_keeps_the_default_keys_and_the_spacing(load):
    cfg = load('knee_mri')
    default = TRANSFORMS.build(dict(type='PackSegInputs')).meta_keys
    assert cfg.meta_keys == (*default, 'spacing', 'spacing_unit')
    for pipeline in (cfg.train_pipeline, cfg.test_pipeline, cfg.tta_pipeline[-1].transforms[-1]):
        assert pipeline[-1].meta_keys == cfg.meta_keys


@pytest.mark.parametrize(
    'name',
    [
        'da_unet/da-unet-nores-resizedlabels_1xb8-300e_floodnet-512x512',
        'unet/unet-resizedlabels_1xb8-300e_floodnet-512x512',
    ],
)
@pytest.mark.parametrize('loader', ['val', 'test'])
def test_labels_are_resized_like_the_image(load, name, loader):
    cfg = load(name)
    (original,) = batch(load(name.replace('-resizedlabels', '')), loader, 1)[1]['data_samples']
    _, resized = batch(cfg, loader, 1)
    (sample,) = resized['data_samples']
    assert resized['inputs'].shape == (1, 3, 512, 512)
    height, width = original.gt_sem_seg.shape
    assert original.ori_shape == (height, width) != (512, 512)
    assert sample.ori_shape == sample.gt_sem_seg.shape == (512, 512)  # logits get this size
    rows, columns = torch.arange(512) * height // 512, torch.arange(512) * width // 512
    expected = original.gt_sem_seg.data[0][rows][:, columns]  # the nearest pixel
    assert torch.equal(sample.gt_sem_seg.data[0], expected)


def test_with_test_time_augmentation_the_version_that_is_not_flipped_comes_first(load):
    cfg = load('da_unet/da-unet-nores-resizedlabels_1xb8-300e_floodnet-512x512')
    dataset = dict(cfg.test_dataloader.dataset, pipeline=cfg.tta_pipeline)
    plain, flipped = DATASETS.build(dataset)[0]['data_samples']
    assert not plain.flip
    assert flipped.flip
    assert plain.ori_shape == plain.gt_sem_seg.shape == (512, 512)
    assert torch.equal(plain.gt_sem_seg.data.flip(2), flipped.gt_sem_seg.data)


@pytest.mark.parametrize('name', ['cityscapes20', 'voc2012'])
def test_the_msanet_paper_tests_with_a_batch_of_four(load, name):
    cfg = load(name)
    for loader in ('val', 'test'):
        assert cfg[f'{loader}_dataloader'].batch_size == 4
        dataset = DATASETS.build(cfg[f'{loader}_dataloader'].dataset)
        samples = pseudo_collate([dataset[i % len(dataset)] for i in range(4)])
        if mmseg.__version__ == '1.1.0':
            pytest.skip('MMSegmentation 1.1.0 tests one image at a time')
        inputs = MODELS.build(cfg.data_preprocessor)(samples, training=False)['inputs']
        assert inputs.shape == (4, 3, 250, 250)


def test_crops_of_cityscapes_are_tested_image_by_image(load):
    cfg = load('msanet/msanet_1xb4-200e_cityscapes20-512x1024')
    assert cfg.val_dataloader.batch_size == cfg.test_dataloader.batch_size == 1

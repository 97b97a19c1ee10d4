import copy
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner
from mmseg.registry import DATASETS, TRANSFORMS

from mmseg_attn.datasets.class_weights import count_pixels
from mmseg_attn.datasets.nested_datasets import nested_datasets


@pytest.fixture
def cfg(pseudo_data, monkeypatch, root) -> dict:
    for name, value in pseudo_data.items():
        monkeypatch.setenv(name, value)
    path = root / 'configs/unet/unet_1xb8-1500e_drosophila-256x256.py'
    return Config.fromfile(path).train_dataloader.dataset


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """The images and masks that are read, as they are read."""
    names: list[str] = []
    for transform, key in (('LoadImageFromFile', 'img_path'), ('LoadStrictAnnotations', 'seg_map')):
        kind = TRANSFORMS.get(transform)

        def watched(self, results, original=kind.transform, key=key):
            names.extend(v for k, v in results.items() if k.startswith(key) and '_path' in k)
            return original(self, results)

        monkeypatch.setattr(kind, 'transform', watched)
    return names


def kept(cfg: dict, **options):
    return DATASETS.build(dict(type='InMemoryDataset', dataset=cfg, **options))


def same(a: dict, b: dict) -> bool:
    samples = a['data_samples'], b['data_samples']
    return (
        torch.equal(a['inputs'], b['inputs'])
        and torch.equal(*(each.gt_sem_seg.data for each in samples))
        and samples[0].metainfo == samples[1].metainfo
    )


def test_each_file_is_decoded_once_and_every_epoch_is_the_same(cfg, decoded):
    plain = DATASETS.build(cfg)
    wanted = [plain[i] for i in range(len(plain))]
    files = sorted(decoded)
    decoded.clear()
    dataset = kept(cfg)
    assert sorted(decoded) == files
    assert type(dataset) is type(plain)
    for _ in range(2):
        assert all(same(dataset[i], wanted[i]) for i in range(len(plain)))
    assert sorted(decoded) == files


def test_later_transforms_run_in_every_epoch_and_do_not_change_what_is_kept(cfg, decoded):
    cfg.pipeline.insert(2, dict(type='RandomBrightness', delta=100))
    dataset = kept(cfg)
    before = dataset.pipeline.transforms[0](dict(sample_idx=0))['img'].copy()
    np.random.seed(0)
    first, second = dataset[0]['inputs'], dataset[0]['inputs']
    assert not torch.equal(first, second)
    results = dataset.pipeline.transforms[0](dict(sample_idx=0))
    results['img'] += 1
    results['seg_fields'].clear()
    again = dataset.pipeline.transforms[0](dict(sample_idx=0))
    assert np.array_equal(again['img'], before)
    assert again['seg_fields'] == ['gt_seg_map']


@pytest.mark.parametrize('persistent', [True, False])
def test_workers_share_it_through_several_epochs(cfg, persistent):
    plain = DATASETS.build(cfg)
    wanted = {
        sample['data_samples'].img_path: sample for sample in map(plain.__getitem__, range(3))
    }
    for path in {info['img_path'] for info in map(plain.get_data_info, range(3))}:
        assert path in wanted
    cfg.indices = 3
    loader = Runner.build_dataloader(
        dict(
            dataset=dict(type='InMemoryDataset', dataset=cfg),
            sampler=dict(type='DefaultSampler', shuffle=True),
            batch_size=1,
            num_workers=2,
            persistent_workers=persistent,
        ),
        seed=0,
    )
    for _ in range(2):
        seen = set()
        for batch in loader:
            sample = dict(inputs=batch['inputs'][0], data_samples=batch['data_samples'][0])
            path = sample['data_samples'].img_path
            assert same(sample, wanted[path])
            seen.add(path)
        assert seen == set(wanted)


def test_datasets_inside_others_are_kept_too(cfg):
    dataset = kept(
        dict(
            type='RepeatDataset',
            times=2,
            dataset=dict(type='ConcatDataset', datasets=[cfg, copy.deepcopy(cfg)]),
        )
    )
    inner = [each for each in nested_datasets(dataset) if hasattr(each, 'pipeline')]
    assert len(inner) == 2
    assert all(type(each.pipeline.transforms[0]).__name__ == 'Recall' for each in inner)
    plain = DATASETS.build(cfg)
    assert same(dataset[len(plain) * 3 + 1], plain[1])


def test_labels_can_be_counted_as_before(cfg):
    assert np.array_equal(count_pixels(kept(cfg)), count_pixels(DATASETS.build(cfg)))


def test_a_set_that_is_too_large_is_refused(cfg):
    with pytest.raises(MemoryError, match=r'2 of 4 images take 0\.0 GiB; raise limit'):
        kept(cfg, limit=12000 / 2**30)


def test_a_pipeline_without_loading_at_its_start_is_refused(cfg):
    cfg.pipeline.insert(0, dict(type='RandomBrightness'))
    with pytest.raises(ValueError, match='does not begin with transforms that load'):
        kept(cfg)


def test_what_comes_out_can_be_collated(cfg):
    dataset = kept(cfg)
    assert len(pseudo_collate([dataset[0], dataset[1]])['inputs']) == 2


def test_a_file_that_cannot_be_loaded_is_named(cfg, tmp_path):
    root = shutil.copytree(cfg['data_root'], tmp_path / 'data')
    cfg = dict(cfg, data_root=str(root))
    path = Path(DATASETS.build(cfg).get_data_info(1)['img_path'])
    path.write_bytes(b'')
    with pytest.raises(ValueError, match=f'{path.name} is truncated or damaged'):
        kept(cfg)

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

PIPELINE = [
    dict(type='LoadImageFromFile', color_type='grayscale'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ('images', 'annotations', 'splits'):
        (tmp_path / name).mkdir()
    for stem in ('000', '001'):
        for name, top in (('images', 256), ('annotations', 4)):
            pixels = rng.integers(0, top, (8, 6), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f'{stem}.png')
    (tmp_path / 'splits' / 'train.txt').write_text('001\n')
    return tmp_path


def build(folder, split='splits/train.txt'):
    prefix = dict(img_path='images', seg_map_path='annotations')
    cfg = dict(type='COVID19CTDataset', data_root=str(folder), data_prefix=prefix)
    return DATASETS.build(cfg | dict(ann_file=split, pipeline=PIPELINE))


def test_loads_one_channel_and_its_mask_unchanged(folder):
    dataset = build(folder)
    assert len(dataset) == 1
    sample = dataset[0]
    for values, name in (
        (sample['inputs'], 'images'),
        (sample['data_samples'].gt_sem_seg.data, 'annotations'),
    ):
        np.testing.assert_array_equal(values[0], np.array(Image.open(folder / name / '001.png')))


def test_classes_and_palette(folder):
    meta = build(folder).metainfo
    assert meta['classes'] == ('background', 'lungs other', 'ground glass', 'consolidation')
    assert len({tuple(colour) for colour in meta['palette']}) == 4
    assert meta['reduce_zero_label'] is False


def test_a_missing_or_empty_split_is_named_with_its_remedy(folder):
    with pytest.raises(FileNotFoundError, match=r'nothing\.txt is missing: run .*/covid19\.py'):
        build(folder, split='splits/nothing.txt')
    (folder / 'splits' / 'empty.txt').touch()
    with pytest.raises(ValueError, match=r'empty\.txt is empty: run .*/covid19\.py'):
        build(folder, split='splits/empty.txt')

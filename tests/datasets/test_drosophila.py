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
    for stem in ('00_00_00', '00_00_01', '01_00_00'):
        image = rng.integers(0, 256, (256, 256), dtype=np.uint8)
        mask = rng.integers(0, 5, (256, 256), dtype=np.uint8)
        Image.fromarray(image).save(tmp_path / 'images' / f'{stem}.png')
        Image.fromarray(mask).save(tmp_path / 'annotations' / f'{stem}.png')
    (tmp_path / 'splits' / 'train.txt').write_text('01_00_00\n00_00_01\n')
    return tmp_path


def build(folder, split='splits/train.txt', **kwargs):
    prefix = dict(img_path='images', seg_map_path='annotations')
    cfg = dict(type='DrosophilaDataset', data_root=str(folder), data_prefix=prefix)
    return DATASETS.build(cfg | dict(ann_file=split, pipeline=PIPELINE) | kwargs)


def test_loads_one_channel_and_its_mask_unchanged(folder):
    dataset = build(folder)
    assert len(dataset) == 2
    sample = dataset[0]
    assert sample['inputs'].shape == (1, 256, 256)
    image = np.array(Image.open(folder / 'images' / '01_00_00.png'))
    mask = np.array(Image.open(folder / 'annotations' / '01_00_00.png'))
    np.testing.assert_array_equal(sample['inputs'][0], image)
    np.testing.assert_array_equal(sample['data_samples'].gt_sem_seg.data[0], mask)


def test_classes_and_palette(folder):
    meta = build(folder).metainfo
    assert meta['classes'] == (
        'membrane',
        'mitochondria',
        'synapse',
        'extracellular',
        'intracellular',
    )
    assert len({tuple(colour) for colour in meta['palette']}) == 5
    assert meta['reduce_zero_label'] is False


def test_without_a_split_all_images_are_used(folder):
    assert len(build(folder, split='')) == 3


def test_missing_split_is_named_with_its_remedy(folder):
    with pytest.raises(
        FileNotFoundError, match=r'splits/fold9\.txt is missing: run .*drosophila\.py'
    ):
        build(folder, split='splits/fold9.txt')


@pytest.mark.parametrize('text', ['', '\n \n'])
def test_empty_split_is_named_with_its_remedy(folder, text):
    (folder / 'splits' / 'empty.txt').write_text(text)
    with pytest.raises(ValueError, match=r'splits/empty\.txt is empty: run .*drosophila\.py'):
        build(folder, split='splits/empty.txt')


def test_missing_image_folder_is_named_with_its_remedy(folder):
    with pytest.raises(FileNotFoundError, match=r'pictures is missing: run .*drosophila\.py'):
        build(folder, data_prefix=dict(img_path='pictures', seg_map_path='annotations'))


def test_image_folder_without_images_is_named_with_its_remedy(folder):
    with pytest.raises(ValueError, match=r'splits holds no \.png image: run .*drosophila\.py'):
        build(folder, split='', data_prefix=dict(img_path='splits', seg_map_path='annotations'))


def test_lazy_init_needs_no_files(tmp_path):
    assert build(tmp_path, lazy_init=True).metainfo['classes'][0] == 'membrane'

import cv2
import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

from tests.data import floodnet

PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadStrictAnnotations', num_classes=10),
    dict(type='PackSegInputs'),
]


@pytest.fixture
def folder(tmp_path):
    return floodnet.make(tmp_path)


def build(folder, split='train', **kwargs):
    prefix = dict(img_path=f'{split}/{split}-org-img', seg_map_path=f'{split}/{split}-label-img')
    cfg = dict(type='FloodNetDataset', data_root=str(folder), data_prefix=prefix)
    return DATASETS.build(cfg | dict(pipeline=PIPELINE) | kwargs)


@pytest.mark.parametrize('split', ['train', 'val', 'test'])
def test_official_layout(folder, split):
    dataset = build(folder, split)
    assert len(dataset) == 2
    sample = dataset[1]
    assert sample['inputs'].shape == (3, 96, 144)
    (path,) = (folder / split / f'{split}-label-img').glob('*1_lab.png')
    assert sample['data_samples'].seg_map_path == str(path)
    mask = sample['data_samples'].gt_sem_seg.data[0]
    np.testing.assert_array_equal(mask, np.array(Image.open(path)))


def test_classes_and_viewing_colors(folder):
    meta = build(folder).metainfo
    assert dict(zip(meta['classes'], map(tuple, meta['palette']), strict=True)) == {
        'Background': (0, 0, 0),
        'Building-flooded': (255, 0, 0),
        'Building-non-flooded': (180, 120, 120),
        'Road-flooded': (160, 150, 20),
        'Road-non-flooded': (140, 140, 140),
        'Water': (61, 230, 250),
        'Tree': (0, 82, 255),
        'Vehicle': (255, 0, 245),
        'Pool': (255, 235, 0),
        'Grass': (4, 250, 7),
    }
    assert meta['reduce_zero_label'] is False


def test_a_label_without_image_is_named(folder):
    (folder / 'train/train-org-img/6000.jpg').unlink()
    with pytest.raises(FileNotFoundError, match=r'image of .*6000_lab\.png is missing: get the'):
        build(folder)
    (folder / 'some.txt').write_text('6001\n')  # a list may leave images out
    assert len(build(folder, ann_file='some.txt')) == 1


def test_a_truncated_image_is_named(folder):
    path = folder / 'train/train-org-img/6000.jpg'
    path.write_bytes(path.read_bytes()[:-100])
    if cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) is not None:
        pytest.skip('this OpenCV fills truncated JPEG files up')
    with pytest.raises(ValueError, match=r'6000\.jpg is truncated or damaged'):
        build(folder)[0]


def test_the_color_images_of_the_release_are_refused(folder):
    dataset = build(folder)
    path = folder / 'train/train-label-img/6000_lab.png'
    palette = np.array(dataset.metainfo['palette'], np.uint8)
    Image.fromarray(palette[np.array(Image.open(path))]).save(path)
    with pytest.raises(ValueError, match=r'6000_lab\.png is a color image \(mode RGB\)'):
        dataset[0]

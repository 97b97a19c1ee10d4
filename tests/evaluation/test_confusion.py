"""Confusion matrices, counted by hand, and the masks that belong to an image."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from PIL import Image

from mmseg_attn.errors import DataError
from mmseg_attn.evaluation.confusion import confusion, confusion_of_masks, ignored_by

TRUTH = np.array([[0, 0, 1], [1, 1, 255]])
LABELS = np.array([[0, 1, 1], [1, 0, 0]])


class Data(list):
    """A dataset of labels by path."""

    def __init__(self, *truths: tuple[Path, np.ndarray], reduce_zero_label: bool = False):
        self.metainfo = dict(classes=('a', 'b'))
        self.reduce_zero_label = reduce_zero_label
        for path, truth in truths:
            sample = SegDataSample(metainfo=dict(img_path=str(path)))
            sample.gt_sem_seg = PixelData(data=torch.from_numpy(truth)[None])
            self.append(dict(data_samples=sample))


def save(path: Path, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels.astype(np.uint8)).save(path)


def test_pairs_are_counted():
    assert confusion(TRUTH, LABELS, 2).tolist() == [[1, 1], [1, 2]]
    assert confusion(TRUTH, LABELS, 2, ignored=0).tolist() == [[0, 0], [1, 2]]


@pytest.mark.parametrize(
    ('evaluator', 'ignored'),
    [
        (None, 255),
        (dict(type='Evaluator', metrics=[]), 255),
        (dict(type='IoUMetric'), 255),
        (dict(type='IoUMetric', ignore_index=7), 7),
        ([dict(type='MAEMetric'), dict(type='IoUMetric', ignore_index=0)], 0),
        (dict(type='Evaluator', metrics=[dict(type='IoUMetric', ignore_index=7)]), 7),
        (dict(type='SegEvaluator', ignore_index=7, metrics=[dict(type='PerClassIoUMetric')]), 7),
        ([dict(type='CalibrationMetric', ignore_index=0), dict(type='IoUMetric')], 255),
        ([dict(type='CalibrationMetric', ignore_index=0)], 0),
    ],
)
def test_the_ignored_label_is_that_of_the_metrics(evaluator, ignored):
    assert ignored_by(evaluator) == ignored


def test_masks_of_a_test_are_reduced_as_the_labels(tmp_path):
    data = Data((tmp_path / 'x.png', TRUTH), reduce_zero_label=True)
    save(tmp_path / 'out/x.png', LABELS + 1)
    assert confusion_of_masks(data, tmp_path / 'out').tolist() == [[1, 1], [1, 2]]


def test_masks_of_predict_are_classes_and_keep_their_folders(tmp_path):
    paths = [tmp_path / name for name in ('p/x.png', 'q/x.png')]
    data = Data((paths[0], TRUTH), (paths[1], 1 - TRUTH % 2), reduce_zero_label=True)
    save(tmp_path / 'out/masks/p/x.png', LABELS)
    save(tmp_path / 'out/masks/q/x.png', np.zeros((2, 3)))
    inputs = {str(path): dict(name=f'{path.parent.name}/x') for path in paths}
    manifest = dict(converter='predict', inputs=inputs)
    (tmp_path / 'out/conversion.json').write_text(json.dumps(manifest))
    second = [[4, 0], [2, 0]]  # 1 - TRUTH % 2 is 1, 1, 0, 0, 0, 0
    total = np.array([[1, 1], [1, 2]]) + second
    assert confusion_of_masks(data, tmp_path / 'out/masks').tolist() == total.tolist()


def test_masks_of_predict_are_of_the_same_images(tmp_path):
    save(tmp_path / 'out/masks/x.png', LABELS)

    def counts(listed):
        manifest = dict(converter='predict', inputs={listed: dict(name='x')})
        (tmp_path / 'out/conversion.json').write_text(json.dumps(manifest))
        return confusion_of_masks(Data((tmp_path / 'p/x.png', TRUTH)), tmp_path / 'out/masks')

    for listed in ('p/x.png', '../p/x.png', 'x.png'):  # as it is named in another folder
        assert counts(listed).tolist() == [[1, 1], [1, 2]]
    for other in ('q/x.png', str(tmp_path / 'q/x.png')):
        with pytest.raises(
            DataError, match=r'p/x\.png is not among the images .*, such as .*q/x\.png: predict'
        ):
            counts(other)
    (tmp_path / 'elsewhere').mkdir()
    (tmp_path / 'p').symlink_to('elsewhere')
    assert counts('p/x.png').tolist() == [[1, 1], [1, 2]]


def test_a_mask_that_may_belong_to_two_images_is_refused(tmp_path):
    save(tmp_path / 'out/x.png', LABELS)
    data = Data((tmp_path / 'p/x.png', TRUTH), (tmp_path / 'q/x.png', TRUTH))
    with pytest.raises(
        DataError, match=r'p/x\.png and .*q/x\.png have the same name, so .*x\.png m'
    ):
        confusion_of_masks(data, tmp_path / 'out')


def test_wrapped_datasets_are_looked_into(tmp_path):
    data = Data((tmp_path / 'x.png', TRUTH))
    wrapper = SimpleNamespace(dataset=data, metainfo=data.metainfo)

    class Wrapper(SimpleNamespace):
        __len__, __getitem__ = (lambda self: 1), (lambda self, index: data[index])

    save(tmp_path / 'out/x.png', LABELS)
    counts = confusion_of_masks(Wrapper(**vars(wrapper)), tmp_path / 'out')
    assert counts.tolist() == [[1, 1], [1, 2]]


@pytest.mark.parametrize(
    ('labels', 'message'),
    [
        (None, r'x\.png, the prediction for .*x\.png, is missing: write it'),
        (np.zeros((3, 3)), r'has the shape \(3, 3\)'),
        (LABELS + 1, 'labels from 1 to 2'),
    ],
)
def test_masks_that_do_not_fit_are_refused(tmp_path, labels, message):
    if labels is not None:
        save(tmp_path / 'out/x.png', labels)
    with pytest.raises(DataError, match=message):
        confusion_of_masks(Data((tmp_path / 'x.png', TRUTH)), tmp_path / 'out')

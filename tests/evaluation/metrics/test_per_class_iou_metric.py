"""What MMSegmentation's metric returns, and the values per class besides."""

import pytest
import torch
from mmengine.evaluator import Evaluator

CLASSES = ('ground', 'cell', 'wall')


def evaluate(pairs: list[tuple[list, list]], **options) -> dict:
    """Metrics of (prediction, label) pairs of one row each."""
    evaluator = Evaluator(dict(type='mmseg.PerClassIoUMetric', **options))
    evaluator.dataset_meta = dict(classes=CLASSES)
    for pred, label in pairs:
        sample = dict(
            pred_sem_seg=dict(data=torch.tensor([[pred]])),
            gt_sem_seg=dict(data=torch.tensor([[label]])),
        )
        evaluator.process([sample])
    return evaluator.evaluate(len(pairs))


def test_more_classes_than_a_mask_can_hold_are_refused_before_the_first_image(tmp_path):
    for options, count in ((dict(), 300), (dict(output_dir=str(tmp_path)), 256)):
        evaluator = Evaluator(dict(type='mmseg.PerClassIoUMetric', **options))
        evaluator.dataset_meta = dict(classes=['x'] * count)
        assert len(evaluator.metrics[0].dataset_meta['classes']) == count
    with pytest.raises(
        ValueError, match=r'8 bits, which cannot hold 257 classes \(at most 256\): write them with'
    ):
        evaluator.dataset_meta = dict(classes=['x'] * 257)


def test_values():
    # ground: 2 of 3; cell: 2 of 4; the ignored pixel counts nowhere; wall occurs nowhere
    metrics = evaluate([([0, 0, 1, 1], [0, 0, 0, 1]), ([1, 0, 2], [1, 1, 255])])
    assert metrics == pytest.approx(
        {
            'aAcc': 66.67,
            'mIoU': 50.0,
            'mAcc': 66.67,
            'IoU.ground': 50.0,
            'IoU.cell': 50.0,
            'Acc.ground': 66.67,
            'Acc.cell': 66.67,
        }
    )


def test_dice_is_the_f1_score_also_where_a_class_is_never_found():
    pairs = [([0, 0, 1, 0], [0, 0, 1, 1]), ([0], [2])]
    metrics = evaluate(pairs, iou_metrics=['mIoU', 'mDice', 'mFscore'])
    assert metrics['Dice.cell'] == metrics['Fscore.cell'] == pytest.approx(66.67)
    assert metrics['Dice.wall'] == 0
    assert 'Fscore.wall' not in metrics


def test_nan_to_num_fills_what_is_not_defined():
    assert evaluate([([0], [0])], nan_to_num=0)['IoU.wall'] == 0


def test_format_only_computes_nothing(tmp_path):
    evaluator = Evaluator(
        dict(type='mmseg.PerClassIoUMetric', format_only=True, output_dir=str(tmp_path))
    )
    evaluator.dataset_meta = dict(classes=CLASSES)
    sample = dict(pred_sem_seg=dict(data=torch.tensor([[[0, 2]]])), img_path='a/b.jpg')
    evaluator.process([sample])
    assert evaluator.evaluate(1) == {}
    assert (tmp_path / 'b.png').exists()


def test_the_means_without_background():
    # ground: 1 of 2; cell: 1 of 3; wall: 1 of 2
    pairs = [([0, 0, 1, 1, 2], [0, 1, 1, 2, 2])]
    metrics = evaluate(pairs, background='ground')
    assert metrics['mIoU'] == pytest.approx((50 + 100 / 3 + 50) / 3, abs=0.01)
    assert metrics['mIoU_without_background'] == pytest.approx((100 / 3 + 50) / 2, abs=0.01)
    assert 'mIoU_without_background' not in evaluate(pairs)
    with pytest.raises(ValueError, match="background='sky' is not one of the classes"):
        evaluate(pairs, background='sky')


def test_specificity_is_the_fraction_outside_of_a_class_that_is_predicted_so():
    # ground: 3 pixels outside, 2 predicted so; cell: 3 outside, 2; wall: 4 outside, 4
    pairs = [([0, 1, 1], [0, 0, 1]), ([0, 2, 1], [1, 2, 255])]
    metrics = evaluate(pairs, iou_metrics=['mIoU', 'mSpecificity'])
    expected = {'ground': 200 / 3, 'cell': 200 / 3, 'wall': 100}
    for name, value in expected.items():
        assert metrics[f'Specificity.{name}'] == pytest.approx(value, abs=0.01)
    assert metrics['mSpecificity'] == pytest.approx(sum(expected.values()) / 3, abs=0.01)
    assert metrics['IoU.wall'] == 100
    only = evaluate(pairs, iou_metrics=['mSpecificity'])
    assert set(only) == {'aAcc', 'mSpecificity', *(f'Specificity.{name}' for name in expected)}
    assert 'Specificity.ground' not in evaluate(pairs)


def test_of_two_classes_the_specificity_of_one_is_the_recall_of_the_other():
    pairs = [([0, 0, 1, 1, 1], [0, 1, 1, 0, 1])]
    metrics = evaluate(pairs, iou_metrics=['mFscore', 'mSpecificity'])
    assert metrics['Specificity.cell'] == metrics['Recall.ground'] == 50
    assert metrics['Specificity.ground'] == metrics['Recall.cell'] == pytest.approx(66.67)


def test_specificity_without_a_pixel_outside_of_the_class():
    names = ['mSpecificity']
    metrics = evaluate([([0, 1], [0, 0])], iou_metrics=names)
    assert 'Specificity.ground' not in metrics
    assert metrics['mSpecificity'] == pytest.approx((50 + 100) / 2)
    filled = evaluate([([0, 1], [0, 0])], iou_metrics=names, nan_to_num=0)
    assert filled['Specificity.ground'] == 0

"""Areas under ROC and precision-recall curves: pairs and thresholds by hand, and scikit-learn."""

import math
import random
from itertools import chain, pairwise, permutations

import numpy as np
import pytest
import torch

from mmseg_attn.evaluation.metrics.auc_metric import average_precision, log_odds
from tests.evaluation.metrics.samples import build, evaluate

CLASSES = ('ground', 'cell', 'wall')


def sample(logits: torch.Tensor, label: list) -> dict:
    return dict(
        seg_logits=dict(data=logits.unsqueeze(1)),  # (C, 1, pixels)
        gt_sem_seg=dict(data=torch.tensor([[label]])),
    )


def measure(*samples: dict, classes: int = 2, **options) -> dict[str, float]:
    return evaluate(build(dict(type='AUCMetric', **options), CLASSES[:classes]), *samples)


def of_odds(*values: float) -> torch.Tensor:
    """Logits of two classes with these log-odds of class 1."""
    return torch.tensor([[0.0] * len(values), list(values)])


def pairs_in_order(scores: list[float], positive: list[bool]) -> float:
    """The area under the ROC curve: the fraction of pairs in the right order; ties are a half."""
    right, pairs = 0.0, 0
    for i, yes in enumerate(positive):
        for j, other in enumerate(positive):
            if yes and not other:
                right += (scores[i] > scores[j]) + (scores[i] == scores[j]) / 2
                pairs += 1
    return right / pairs


def precisions(scores: list[float], positive: list[bool]) -> float:
    """The average precision: the mean over the positives of the precision at their threshold."""
    terms = []
    for score, yes in zip(scores, positive, strict=True):
        if yes:
            above = [p for s, p in zip(scores, positive, strict=True) if s >= score]
            terms.append(sum(above) / len(above))
    return sum(terms) / len(terms)


def in_random_order(above: str, positives: int, negatives: int) -> float:
    """The mean average precision over all orders of the pixels of a bin, below others ('pn')."""
    orders = set(permutations('p' * positives + 'n' * negatives))
    rows = [[kind == 'p' for kind in (*above, *order)] for order in orders]
    return sum(precisions([-i for i, _ in enumerate(row)], row) for row in rows) / len(rows)


def test_by_hand():
    # in falling order: cell, ground, cell, ground; the ignored pixel would change it
    values = measure(sample(of_odds(3, 1, 2, -1, 5), [1, 1, 0, 0, 255]))
    assert values['AUROC.cell'] == pytest.approx(3 / 4)
    assert values['AUPRC.cell'] == pytest.approx((1 / 1 + 2 / 3) / 2)
    # the probability of ground is one minus that of cell: ground, cell, ground, cell
    assert values['AUROC.ground'] == pytest.approx(3 / 4)
    assert values['AUPRC.ground'] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert values['mAUROC'] == pytest.approx(3 / 4)
    assert values['mAUPRC'] == pytest.approx(5 / 6)


def test_the_bins():
    """Five bins of equal width in asinh(log-odds) end at sinh(k asinh(100) / 5), k = -3, -1, ..."""
    edges = [math.sinh(k * math.asinh(100) / 5) for k in (-3, -1, 1, 3)]
    assert edges[2:] == pytest.approx([1.269, 11.99], abs=5e-3)
    for edge in edges:
        apart = measure(sample(of_odds(edge - 0.01, edge + 0.01), [0, 1]), bins=5)
        assert apart['AUROC.cell'] == 1
    for low, high in pairwise([-120, *edges, 120]):
        values = measure(sample(of_odds(low + 0.01, high - 0.01), [1, 0]), bins=5)
        assert values['AUROC.cell'] == 0.5


def test_pixels_of_one_bin_count_as_equal():
    values = measure(sample(of_odds(2, 3, 13), [0, 1, 1]), bins=5)  # 2 and 3 share one
    assert values['AUROC.cell'] == pytest.approx((1 / 2 + 1) / 2)
    # in the middle of the bin: the positive above it, itself, and half of the negative
    assert values['AUPRC.cell'] == pytest.approx((1 + 2 / 2.5) / 2)


@pytest.mark.parametrize(
    ('above', 'positive', 'negative'),
    [('', 3, 0), ('pn', 4, 3), ('ppp', 2, 5), ('nn', 5, 2), ('pppp', 1, 6), ('p', 0, 2)],
)
def test_precisions_of_a_bin_are_about_those_of_a_random_order(above, positive, negative):
    counts = [(negative, positive), *((kind == 'n', kind == 'p') for kind in reversed(above))]
    found = average_precision(*np.array(counts).T)  # the pixels above have bins of their own
    assert found == pytest.approx(in_random_order(above, positive, negative), abs=0.03)


@pytest.mark.parametrize('classes', [2, 3])
def test_pairs_and_thresholds_over_several_images(classes):
    generator = random.Random(classes)
    rows, labels = [], []
    for _ in range(3):
        logits = [[generator.gauss(0, 3) for _ in range(20)] for _ in range(classes)]
        rows.append(torch.tensor(logits))
        labels.append([generator.randrange(classes) for _ in range(20)])
    values = measure(*map(sample, rows, labels), classes=classes, bins=10**6)
    p = torch.cat(rows, dim=1).double().softmax(0)
    truth = list(chain(*labels))
    for index in range(classes):
        scores, positive = p[index].tolist(), [label == index for label in truth]
        name = CLASSES[index]
        assert values[f'AUROC.{name}'] == pytest.approx(pairs_in_order(scores, positive))
        assert values[f'AUPRC.{name}'] == pytest.approx(precisions(scores, positive))


def test_as_scikit_learn():
    metrics = pytest.importorskip('sklearn.metrics', reason='needs scikit-learn')
    generator = torch.Generator().manual_seed(0)
    odds = 6 * torch.randn(5000, generator=generator)
    label = (odds + 8 * torch.randn(5000, generator=generator) > 4).long()
    values = measure(sample(of_odds(*odds.tolist()), label.tolist()))
    for name, function in (('ROC', 'roc_auc_score'), ('PRC', 'average_precision_score')):
        expected = getattr(metrics, function)(label.numpy(), odds.numpy())
        assert values[f'AU{name}.cell'] == pytest.approx(expected, abs=2e-4)


def test_probabilities_that_float32_rounds_to_one():
    values = measure(sample(of_odds(18, 20, 22, 24), [0, 1, 0, 1]))
    assert torch.tensor([18.0, 24.0]).sigmoid().tolist() == [1, 1]
    assert values['AUROC.cell'] == pytest.approx(3 / 4)


def test_log_odds_beyond_the_resolution_of_probabilities():
    logits = torch.tensor([[60.0, 90.0], [0.0, 0.0], [-5.0, 0.0]])
    first, second, third = log_odds(logits)
    assert first.tolist() == pytest.approx([60, 90 - math.log(2)], abs=0.01)
    assert second.tolist() == pytest.approx([-60, -90])
    assert third.tolist() == pytest.approx([-65, -90])


def test_log_odds():
    logits = torch.tensor([[1.0, 30.0], [2.0, -3.0], [-1.0, 0.5]], dtype=torch.float64)
    p = logits.softmax(0)
    for index, values in enumerate(log_odds(logits)):
        others = [math.exp(z) for k, z in enumerate(logits[:, 0].tolist()) if k != index]
        assert values[0].item() == pytest.approx(logits[index, 0].item() - math.log(sum(others)))
        expected = math.log(p[index, 1]) - math.log(p[:, 1].sum() - p[index, 1])
        assert values[1].item() == pytest.approx(expected, rel=1e-2)


def test_a_head_with_one_channel_stores_the_probability_of_class_1():
    odds, label = [3.0, 1.0, 2.0, -1.0], [1, 1, 0, 0]
    stored = torch.tensor([odds]).sigmoid()
    assert measure(sample(stored, label)) == measure(sample(of_odds(*odds), label))


def test_a_logit_that_is_infinite_is_the_highest():
    logits = torch.tensor([[0.0, 0.0, 0.0], [9.0, math.inf, -math.inf]])
    assert measure(sample(logits, [0, 1, 0]))['AUROC.cell'] == 1
    assert measure(sample(logits, [1, 0, 1]))['AUROC.cell'] == 0


@pytest.mark.parametrize('values', [(math.nan, 0), (math.inf, math.inf)])
def test_logits_without_probabilities_are_refused(values):
    logits = torch.tensor([[0, 0, values[0]], [1, 3, values[1]]], dtype=torch.float16)
    expected = measure(sample(of_odds(1, 3), [0, 1]))
    assert measure(sample(logits, [0, 1, 255])) == expected
    with pytest.raises(ValueError, match=r'pixels of a\.png, since some logits are NaN or inf'):
        measure(sample(logits, [0, 1, 1]) | dict(img_path='a.png'))


def test_large_images_are_counted_in_parts(monkeypatch):
    one = sample(torch.randn(3, 50), [0, 1, 2, 255, 1] * 10)
    expected = measure(one, classes=3)
    monkeypatch.setattr('mmseg_attn.evaluation.metrics.auc_metric.CHUNK', 7)
    assert measure(one, classes=3) == expected


def test_memory_does_not_depend_on_the_size_of_the_image():
    metric = build(dict(type='AUCMetric', bins=100), CLASSES)
    for pixels in (5, 500):
        metric.process({}, [sample(torch.randn(3, pixels), [0] * pixels)])
    assert [counts.nbytes for counts in metric.results] == [8 * 100 * 3] * 2


def test_a_class_that_labels_nothing_or_all_is_left_out():
    values = measure(sample(torch.randn(3, 4), [0, 1, 1, 0]), classes=3)
    assert {name.partition('.')[2] for name in values} == {'', 'ground', 'cell'}
    assert measure(sample(torch.randn(3, 2), [0, 0]), classes=3) == {}


def test_nothing_labeled_is_refused():
    with pytest.raises(ValueError, match='AUCMetric found no labeled pixel in 1 image'):
        measure(sample(of_odds(1, 2), [255, 255]))


def test_bins_are_required():
    with pytest.raises(ValueError, match='bins must be at least 1, got 0'):
        measure(bins=0)

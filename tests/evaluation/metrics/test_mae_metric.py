"""Eq. 4 in plain arithmetic, over two images of different sizes."""

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import METRICS


def evaluate(samples: list[dict], classes: int, **options) -> float:
    metric = METRICS.build(dict(type='MAEMetric', **options))
    metric.dataset_meta = dict(classes=[str(number) for number in range(classes)])
    for sample in samples:
        metric.process({}, [sample])
    return metric.evaluate(len(samples))['MAE']


def sample(logits: torch.Tensor, label: torch.Tensor) -> dict:
    """As MMSegmentation's ``postprocess_result`` makes it."""
    if len(logits) == 1:
        logits = logits.sigmoid()
        predicted = (logits > 0.3).float()
    else:
        predicted = logits.argmax(0, keepdim=True)
    return dict(
        seg_logits=dict(data=logits),
        pred_sem_seg=dict(data=predicted),
        gt_sem_seg=dict(data=label.unsqueeze(0)),
    )


def pairs(channels: int, classes: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    pairs = [
        (torch.randn(channels, *size), torch.randint(0, classes, size)) for size in [(4, 5), (2, 3)]
    ]
    pairs[0][1][1] = 255
    return pairs


def flat(values: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([value.flatten() for value in values])


@pytest.mark.parametrize('classes', [2, 4])
def test_labels_and_probabilities(classes):
    data = pairs(classes, classes)
    samples = [sample(*pair) for pair in data]
    label = flat([label for _, label in data])
    p = torch.cat([logits.double().softmax(0).flatten(1) for logits, _ in data], dim=1)
    valid = label != 255
    y = F.one_hot(label[valid], classes).T.double()
    expected = (p[:, valid] - y).abs().mean().item()
    assert evaluate(samples, classes, on='probabilities') == pytest.approx(expected, abs=1e-7)
    hard = F.one_hot(p.argmax(0)[valid], classes).T.double()
    expected = (hard - y).abs().mean().item()
    assert evaluate(samples, classes) == pytest.approx(expected, abs=1e-12)


def test_with_two_classes_it_is_the_share_of_wrong_pixels():
    logits = 9 * F.one_hot(torch.tensor([[0, 1, 1, 0, 1]]), 2).movedim(-1, 0).float()
    label = torch.tensor([[0, 1, 0, 255, 0]])
    assert evaluate([sample(logits, label)], 2) == pytest.approx(0.5)


def test_a_head_with_one_channel():
    data = pairs(1, 2)
    samples = [sample(*pair) for pair in data]
    label = flat([label for _, label in data])
    p, valid = flat([logits.double().sigmoid() for logits, _ in data]), label != 255
    expected = (p - label)[valid].abs().mean().item()
    assert evaluate(samples, 2, on='probabilities') == pytest.approx(expected, abs=1e-7)
    expected = ((p > 0.3).double() - label)[valid].abs().mean().item()
    assert evaluate(samples, 2) == pytest.approx(expected, abs=1e-12)


def test_a_label_that_is_no_class_is_wrong():
    """The first pixel has the label 0 with the probability p, the second none."""
    logits, label = torch.tensor([[[8.0, 0.0]], [[0.0, 8.0]]]), torch.tensor([[0, 7]])
    p = torch.tensor(8.0).sigmoid().item()
    assert evaluate([sample(logits, label)], 2) == pytest.approx(1 / 2)
    found = evaluate([sample(logits, label)], 2, on='probabilities')
    assert found == pytest.approx(((1 - p) + 1) / 2)


def test_an_ignored_image_changes_nothing():
    data = pairs(2, 2)
    samples = [sample(*pair) for pair in data]
    ignored = sample(torch.randn(2, 3, 3), torch.full((3, 3), 255))
    assert evaluate([*samples, ignored], 2) == evaluate(samples, 2)


def test_what_cannot_be_computed_is_refused():
    with pytest.raises(ValueError, match='no labeled pixel in 1 image:'):
        evaluate([sample(torch.randn(2, 3, 3), torch.full((3, 3), 255))], 2)
    with pytest.raises(ValueError, match="'labels' or 'probabilities'"):
        evaluate([], 2, on='logits')

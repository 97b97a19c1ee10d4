"""Every metric on any images: finite with the documented meaning, or refused in one sentence."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmseg.registry import METRICS
from torch import Tensor

from mmseg_attn.io import counted
from tests.libraries import needs_monai, needs_scikit_image
from tests.strategies import examples, generator, seeds, sides

IGNORED = 255
LOSSES = [
    dict(type='SoftDiceLoss'),
    dict(type='SoftmaxFocalLoss'),
    dict(type='CrossEntropyLoss', avg_non_ignore=True),
]


def evaluate(config: dict, images: list[tuple[Tensor, Tensor]], classes: int) -> dict[str, float]:
    metric = METRICS.build(config)
    metric.dataset_meta = dict(classes=[str(c) for c in range(classes)])
    for logits, label in images:
        sample = dict(
            seg_logits=dict(data=logits),
            pred_sem_seg=dict(data=logits.argmax(dim=0, keepdim=True)),
            gt_sem_seg=dict(data=label[None]),
        )
        metric.process({}, [sample])
    return metric.evaluate(len(images))


@st.composite
def sets(draw) -> tuple[list[tuple[Tensor, Tensor]], int]:
    """Images of logits and labels, one or some classes of which are labeled, or none."""
    classes, images = draw(st.integers(2, 4)), []
    present = torch.tensor(sorted(draw(st.sets(st.integers(0, classes - 1), min_size=1))))
    scale = draw(st.sampled_from([0, 1, 1e4, 65504]))
    dtype = draw(st.sampled_from([torch.float32, torch.float16]))
    random = generator(draw(seeds))
    for share in draw(st.lists(st.sampled_from([0, 0.5, 1]), min_size=1, max_size=3)):
        size = draw(sides), draw(sides)
        logits = torch.randn(classes, *size, generator=random).clamp(-1, 1)
        label = present[torch.randint(len(present), size, generator=random)].to(torch.uint8)
        label[torch.rand(size, generator=random) < share] = IGNORED
        images.append(((scale * logits).to(dtype), label))
    return images, classes


def pixels(images: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Prediction and label of all labeled pixels."""
    pairs = [(logits.argmax(dim=0)[y != IGNORED], y[y != IGNORED]) for logits, y in images]
    predicted, label = zip(*pairs, strict=True)
    return torch.cat(predicted), torch.cat(label).long()


def metrics(images: list, classes: int, **config) -> dict[str, float] | None:
    """The metric's values, which are finite; ``None`` where nothing is labeled."""
    if pixels(images)[1].numel():
        values = evaluate(config, images, classes)
        assert all(math.isfinite(value) for value in values.values())
        return values
    with pytest.raises(
        ValueError, match=f'no labeled pixel in {counted(len(images), "image")}: check'
    ):
        evaluate(config, images, classes)
    return None


@examples(100)
@given(data=sets())
def test_iou(data):
    names = ['mIoU', 'mDice', 'mFscore']
    values = metrics(*data, type='PerClassIoUMetric', iou_metrics=names, background='0')
    if values is None:
        return
    assert all(0 <= value <= 100 for value in values.values())
    predicted, label = pixels(data[0])
    found, labeled = set(predicted.tolist()), set(label.tolist())
    hit = set(label[predicted == label].tolist())
    occurring = dict(
        IoU=found | labeled, Dice=found | labeled, Acc=labeled, Recall=labeled,
        Precision=found, Fscore=hit,
    )  # fmt: skip
    expected = {'aAcc'}
    for name, classes in occurring.items():
        expected |= {f'{name}.{c}' for c in classes} | ({f'm{name}'} if classes else set())
        expected |= {f'm{name}_without_background'} if classes - {0} else set()
    assert set(values) == expected


@examples(100)
@given(data=sets(), on=st.sampled_from(['labels', 'probabilities']))
def test_mae(data, on):
    values = metrics(*data, type='MAEMetric', on=on)
    assert values is None or 0 <= values['MAE'] <= 2 / data[1] + 1e-6


@examples(100)
@given(data=sets(), loss=st.sampled_from(LOSSES))
def test_loss(data, loss):
    values = metrics(*data, type='LossMetric', loss_decode=loss)
    assert values is None or values['mean_loss'] >= -1e-6


@examples(100)
@given(data=sets())
def test_boundary_iou(data):
    values = metrics(*data, type='BoundaryIoUMetric')
    if values is not None:
        assert all(0 <= value <= 100 for value in values.values())
        predicted, label = pixels(data[0])
        occurring = {f'BIoU.{c}' for c in set(predicted.tolist()) | set(label.tolist())}
        assert set(values) == occurring | {'mBIoU'}


@examples(100)
@given(data=sets())
def test_areas_under_curves(data):
    values = metrics(*data, type='AUCMetric', bins=50)
    if values is not None:
        assert all(0 <= value <= 1 for value in values.values())
        labeled = set(pixels(data[0])[1].tolist())
        names = {f'AUROC.{c}' for c in labeled} if len(labeled) > 1 else set()
        assert {name for name in values if name.startswith('AUROC')} == names


@examples(100)
@given(data=sets())
def test_calibration(data):
    values = metrics(*data, type='CalibrationMetric')
    assert values is None or 0 <= values['ECE'] <= 1


@needs_monai
@examples(50)
@given(data=sets())
def test_surfaces(data):
    values = metrics(*data, type='SurfaceMetric', tolerance=1)
    if values is not None:
        diagonal = max(math.hypot(*label.shape) for _, label in data[0])
        for name, value in values.items():
            assert 0 <= value <= (100 if 'NSD' in name else diagonal)


@needs_scikit_image
@examples(50)
@given(data=sets(), thin=st.booleans())
def test_membranes(data, thin):
    values = metrics(*data, type='MembraneMetric', membrane='0', thin=thin)
    if values:  # some pixel is labeled with another class
        assert 0 <= values.get('ARE', 0) <= 1
        assert values['VOI'] >= -1e-9


@pytest.mark.parametrize(
    'config',
    [
        dict(type='PerClassIoUMetric'),
        dict(type='MAEMetric'),
        dict(type='LossMetric', loss_decode=LOSSES[0]),
        dict(type='BoundaryIoUMetric'),
        dict(type='AUCMetric'),
        dict(type='CalibrationMetric'),
        pytest.param(dict(type='SurfaceMetric'), marks=needs_monai),
        pytest.param(dict(type='MembraneMetric'), marks=needs_scikit_image),
    ],
)
def test_no_images(config):
    with pytest.raises(ValueError, match='no labeled pixel in 0 images'):
        evaluate(config, [], 2)


def test_more_pixels_than_float32_can_count():
    pixels = 2**24 + 3
    label = torch.zeros(1, dtype=torch.uint8).expand(pixels)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # one thread counts them all
    try:
        areas = METRICS.get('PerClassIoUMetric').intersect_and_union(label, label, 2, IGNORED)
    finally:
        torch.set_num_threads(threads)
    assert [area.tolist() for area in areas] == [[pixels, 0]] * 4

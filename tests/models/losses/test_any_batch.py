"""Every loss on batches of any size, whatever is labeled and however large the logits are."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmseg.registry import MODELS
from torch import Tensor

from tests.strategies import examples, generator, seeds, sides

OURS = {
    'dice': dict(type='SoftDiceLoss'),
    'iou': dict(type='SoftIoULoss'),
    'focal': dict(type='SoftmaxFocalLoss'),
    'sharp focal': dict(type='SoftmaxFocalLoss', gamma=0.5),
    'cross entropy': dict(type='SoftmaxFocalLoss', gamma=0),
}
MMSEG = {
    'mmseg': dict(type='CrossEntropyLoss', avg_non_ignore=True),
    'mmseg, mean over all': dict(type='CrossEntropyLoss'),
}
IGNORED = 255


@st.composite
def labels(draw) -> tuple[Tensor, int]:
    """Labels (N, H, W) and the number of classes: random, one class only, some or all ignored."""
    classes, n = draw(st.integers(2, 5)), draw(st.integers(1, 3))
    shape, random = (n, draw(sides), draw(sides)), generator(draw(seeds))
    present = draw(st.sets(st.integers(0, classes - 1), min_size=1))
    label = torch.tensor(sorted(present))[torch.randint(len(present), shape, generator=random)]
    share = draw(st.sampled_from([0, 0.3, 0.9, 1]))
    label[torch.rand(shape, generator=random) < share] = IGNORED
    return label, classes


def random_logits(label: Tensor, classes: int, seed: int, dtype: torch.dtype) -> Tensor:
    n, height, width = label.shape
    random = generator(seed)
    return torch.randn(n, classes, height, width, generator=random, dtype=torch.float64).to(dtype)


def written_out(name: str, logits: Tensor, label: Tensor, weights: list[float]) -> Tensor:
    """The mean over the labeled pixels, or over the classes that occur among them."""
    valid = label != IGNORED
    y, p = label[valid], logits.movedim(1, -1)[valid].softmax(dim=1)  # (P,) and (P, C)
    terms, total = logits.sum() * 0, 0
    if OURS[name]['type'] == 'SoftmaxFocalLoss':
        for c, row in zip(y.tolist(), p, strict=True):
            terms = terms - weights[c] * (1 - row[c]) ** OURS[name].get('gamma', 2) * row[c].log()
            total += weights[c]
    else:
        for c in set(y.tolist()):
            both, sizes = p[y == c, c].sum(), p[:, c].sum() + (y == c).sum()
            overlap = 2 * both / sizes if name == 'dice' else both / (sizes - both)
            terms = terms + weights[c] * (1 - overlap)
            total += weights[c]
    return terms / total if total else terms


@pytest.mark.parametrize('name', OURS)
@examples(100)
@given(data=labels(), seed=seeds, weigh=st.booleans())
def test_value_and_gradient_are_the_formula(name, data, seed, weigh):
    label, classes = data
    logits = random_logits(label, classes, seed, torch.float64).requires_grad_()
    weights = [seed % (c + 2) for c in range(classes)] if weigh else None  # some are zero
    value = MODELS.build(dict(OURS[name], class_weight=weights))(logits, label)
    # weights are kept in float32, in which these are exact
    expected = written_out(name, logits, label, weights or [1] * classes)
    (gradient,) = torch.autograd.grad(value, logits)
    (expected_gradient,) = torch.autograd.grad(expected, logits)
    torch.testing.assert_close(value, expected, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize('name', [*OURS, *MMSEG])
@examples(100)
@given(
    data=labels(),
    seed=seeds,
    scale=st.sampled_from([0, 1, 100, 1e4, 65504]),
    dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16]),
)
def test_finite_and_zero_without_labels(name, data, seed, scale, dtype):
    label, classes = data
    if name in MMSEG:
        dtype = torch.float32  # as its head hands them over
    logits = (scale * random_logits(label, classes, seed, torch.float32).clamp(-1, 1)).to(dtype)
    logits.requires_grad_()
    loss = MODELS.build((OURS | MMSEG)[name])
    value = loss(logits, label, ignore_index=IGNORED)
    (gradient,) = torch.autograd.grad(value, logits)
    assert value.dtype == torch.float32
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()
    assert value >= -1e-6
    if name in ('dice', 'iou'):
        assert value <= 1 + 1e-6
    ignored = label == IGNORED
    assert not gradient.movedim(1, -1)[ignored].any()
    if ignored.all():
        assert value == 0


@pytest.mark.parametrize('name', [*OURS, *MMSEG])
@pytest.mark.parametrize('scale', [1e4, 65504])
def test_one_class_only(name, scale):
    """All right costs nothing; all wrong costs 1 in overlap, the margin in cross entropy."""
    label = torch.ones(2, 3, 5, dtype=torch.long)
    right = torch.zeros(2, 4, 3, 5)
    right[:, 1] = scale
    loss = MODELS.build((OURS | MMSEG)[name])
    assert loss(right, label) == 0
    assert loss(right, label * 2) == (1 if name in ('dice', 'iou') else scale)


@pytest.mark.parametrize('name', OURS)
def test_a_class_that_never_occurs_takes_no_part(name):
    """Neither with a weight of its own nor, where nothing is predicted as it, as one more logit."""
    label = torch.randint(0, 3, (2, 4, 5))
    logits = torch.randn(2, 3, 4, 5)
    absent = torch.full_like(logits[:, :1], -1e4)
    alone = MODELS.build(OURS[name])(logits, label)
    weights = [1, 1, 1, 1e6]
    with_absent = MODELS.build(dict(OURS[name], class_weight=weights))
    torch.testing.assert_close(with_absent(torch.cat([logits, absent], dim=1), label), alone)
    logits = torch.cat([logits, logits.new_zeros(absent.shape)], dim=1).requires_grad_()
    (gradient,) = torch.autograd.grad(with_absent(logits, label), logits)
    assert gradient[:, 3].sum() > 0  # its probability goes down


@pytest.mark.parametrize('name', OURS)
def test_a_batch_of_no_images(name):
    logits = torch.zeros(0, 3, 4, 5, requires_grad=True)
    value = MODELS.build(OURS[name])(logits, torch.zeros(0, 4, 5, dtype=torch.long))
    value.backward()
    assert value == 0

"""MONAI's losses against plain arithmetic, and without ignored pixels, through the registry."""

import inspect
import math
import re
import sys

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import OHEMPixelSampler, SegDataSample

from mmseg_attn.errors import UsageError
from mmseg_attn.models.losses.external_loss import CROSS_ENTROPY, FOCAL, PROBABILITIES, SPATIAL
from tests.libraries import needs_monai

SUMS = [*PROBABILITIES, *CROSS_ENTROPY, *FOCAL]
EXACT = dict(smooth_nr=0, smooth_dr=0)
# probabilities of three classes, and labels
P = [[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.2, 0.2, 0.6], [0.9, 0.05, 0.05]]
Y = [0, 1, 1, 2, 255]
LOGITS = torch.tensor(P).log().T[None, :, None]  # (1, 3, 1, 5)
LABEL = torch.tensor(Y)[None, None]
BOTH = [0.5, 1.1, 0.6]  # probability of each class in its pixels
PREDICTED = [1.1, 1.55, 1.35]  # and in all pixels that are not ignored
LABELED = [1, 2, 1]
CLASSES = range(3)
CE = -(math.log(0.5) + math.log(0.8) + math.log(0.3) + math.log(0.6)) / 4


def build(name: str, **options):
    """Build the loss, or skip the test if this version of MONAI does not have it."""
    import monai

    old = monai.__version__.startswith('1.2.')
    if not hasattr(monai.losses, name) or (old and name.startswith('Generalized')):
        pytest.skip(f'MONAI {monai.__version__} has no {name}')
    return MODELS.build(dict(type='ExternalLoss', name=name, **options))


def random_batch(channels: int = 3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and labels of two images whose rows 0 and 1 are ignored."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(2, channels, 6, 7, generator=generator)
    label = torch.randint(0, max(2, channels), (2, 6, 7), generator=generator)
    label[:, :2] = 255
    return logits.requires_grad_(), label


def tversky(alpha: float, beta: float) -> float:
    scores = [
        BOTH[c] / (BOTH[c] + alpha * (PREDICTED[c] - BOTH[c]) + beta * (LABELED[c] - BOTH[c]))
        for c in CLASSES
    ]
    return 1 - sum(scores) / 3


def dice(c: int) -> float:
    return 1 - 2 * BOTH[c] / (PREDICTED[c] + LABELED[c])


def mcc(c: int) -> float:
    tp, fp, fn = BOTH[c], PREDICTED[c] - BOTH[c], LABELED[c] - BOTH[c]
    tn = 4 - tp - fp - fn
    return 1 - (tp * tn - fp * fn) / math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))


def sigmoid_focal(gamma: float) -> float:
    """The mean over pixels and classes; the sigmoid of ln p is p / (1 + p)."""
    terms = []
    for row, label in zip(P[:4], Y[:4], strict=True):
        for c, p in enumerate(row):
            right = p / (1 + p) if c == label else 1 / (1 + p)
            terms.append(-((1 - right) ** gamma) * math.log(right))
    return sum(terms) / 12


DICE = sum(map(dice, CLASSES)) / 3
UNIFORM = 1 - 2 * sum(BOTH) / (sum(PREDICTED) + sum(LABELED))  # all classes as one
WEIGHTED_CE = -(3 * math.log(0.5) + math.log(0.8) + math.log(0.3) + 5 * math.log(0.6)) / 10


@needs_monai
@pytest.mark.parametrize(
    ('name', 'options', 'expected'),
    [
        ('TverskyLoss', dict(alpha=0.3, beta=0.7, **EXACT), tversky(0.3, 0.7)),
        ('TverskyLoss', dict(alpha=0.5, beta=0.5, loss_weight=2, **EXACT), 2 * DICE),
        ('DiceLoss', EXACT, DICE),
        ('DiceLoss', dict(include_background=False, **EXACT), (dice(1) + dice(2)) / 2),
        ('GeneralizedDiceLoss', dict(w_type='uniform', **EXACT), UNIFORM),
        ('MCCLoss', dict(smooth_dr=0), sum(map(mcc, CLASSES)) / 3),
        ('DiceCELoss', EXACT, DICE + CE),
        ('DiceCELoss', dict(lambda_dice=0), CE),
        ('FocalLoss', dict(), sigmoid_focal(2)),
        ('FocalLoss', dict(gamma=0, use_softmax=True), CE / 3),  # the mean over the classes, too
        ('DiceFocalLoss', dict(gamma=3, **EXACT), DICE + sigmoid_focal(3)),
        (
            'GeneralizedDiceFocalLoss',
            dict(w_type='uniform', lambda_focal=0.5, **EXACT),
            UNIFORM + sigmoid_focal(2) / 2,
        ),
    ],
)
def test_value(name, options, expected):
    assert build(name, **options)(LOGITS, LABEL).item() == pytest.approx(expected, abs=1e-6)


@needs_monai
def test_generalized_dice_weighs_classes_by_the_square_of_their_size():
    """Sudre et al., 2017: the ratio of sums over the classes, with one over the squared size."""
    weights = [1 / labeled**2 for labeled in LABELED]
    sizes = [predicted + labeled for predicted, labeled in zip(PREDICTED, LABELED, strict=True)]
    numerator = 2 * sum(w * both for w, both in zip(weights, BOTH, strict=True))
    expected = 1 - numerator / sum(w * size for w, size in zip(weights, sizes, strict=True))
    value = build('GeneralizedDiceLoss', **EXACT)(LOGITS, LABEL)
    assert value.item() == pytest.approx(expected, abs=1e-6)


@needs_monai
@pytest.mark.parametrize('name', ['GeneralizedDiceLoss', 'GeneralizedDiceFocalLoss'])
def test_generalized_dice_of_monai_1_2_is_refused(name, monkeypatch):
    """There, the weight of a class is in numerator and denominator of the same ratio."""
    monkeypatch.setattr(sys.modules['monai'], '__version__', '1.2.0')
    with pytest.raises(UsageError, match=f'no {name!r} with MONAI 1.2.0: set name to one of'):
        MODELS.build(dict(type='ExternalLoss', name=name))


@needs_monai
def test_class_weights_are_a_list():
    parameters = inspect.signature(sys.modules['monai.losses'].DiceCELoss).parameters
    key = 'weight' if 'weight' in parameters else 'ce_weight'
    loss = build('DiceCELoss', lambda_dice=0, **{key: [3, 1, 5]})
    assert loss(LOGITS, LABEL).item() == pytest.approx(WEIGHTED_CE, abs=1e-6)
    assert not loss.state_dict()  # they are no weights of the model


@needs_monai
def test_hausdorff_by_hand():
    """A row of four pixels: class 1 is labeled in pixels 1 and 2, and predicted in pixel 1."""
    p = torch.tensor([0.1, 0.8, 0.4, 0.3])
    logits = torch.stack([(1 - p).log(), p.log()])[None, :, None]
    # distances to the other side of the border of the class
    predicted = [1, 1, 1, 2]
    labeled = [1, 1, 1, 1]
    errors = [0.1**2, 0.2**2, 0.6**2, 0.3**2]
    terms = zip(errors, predicted, labeled, strict=True)
    expected = sum(error * (a**2 + b**2) for error, a, b in terms) / 4
    label = torch.tensor([[[0, 1, 1, 0]]])
    assert build('HausdorffDTLoss')(logits, label).item() == pytest.approx(expected, abs=1e-6)
    logged = build('LogHausdorffDTLoss')(logits, label).item()
    assert logged == pytest.approx(math.log(1 + expected), abs=1e-6)


@needs_monai
def test_boundary_by_hand():
    """The mean of probability times signed distance: negative inside of the class."""
    p = torch.tensor([0.1, 0.8, 0.4, 0.3])
    logits = torch.stack([(1 - p).log(), p.log()])[None, :, None]
    loss = build('BoundaryLoss', include_background=False)
    expected = (0.1 * 1 + 0.3 * 1 + (0.8 + 0.4) * 0) / 4
    assert loss(logits, torch.tensor([[[0, 1, 1, 0]]])).item() == pytest.approx(expected, abs=1e-6)


@needs_monai
@pytest.mark.parametrize(('name', 'alpha'), [('SoftclDiceLoss', 1), ('SoftDiceclDiceLoss', 0.5)])
def test_cldice_by_hand(name, alpha):
    """A line of three pixels is its own skeleton, predicted with 3/4, and a pixel beside with 1."""
    built = build(name)
    # before 1.6, MONAI always leaves out class 0, and the last constant is zero
    new = 'include_background' in inspect.signature(type(built.loss)).parameters
    label = torch.zeros(1, 7, 7, dtype=torch.long)
    label[0, 3, 2:5] = 1
    p = torch.full((7, 7), 1e-9)
    p[3, 2:5] = 0.75
    p[0, 0] = 1 - 1e-6
    logits = torch.stack([(1 - p).log(), p.log()])[None]
    both, predicted = 3 * 0.75, 3 * 0.75 + 1
    precision, sensitivity = (both + 1) / (predicted + 1), (both + 1) / (3 + 1)
    cldice = 1 - 2 * precision * sensitivity / (precision + sensitivity + new * 1e-4)
    expected = alpha * cldice + (1 - alpha) * (1 - (2 * both + 1) / (predicted + 3 + 1))
    built = build(name, include_background=False) if new else built
    assert built(logits, label).item() == pytest.approx(expected, abs=1e-5)


@needs_monai
@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('name', [*SUMS, *SPATIAL])
def test_gradients_reach_the_pixels_that_are_not_ignored(name, channels):
    loss = build(name)
    logits, label = random_batch(channels)
    value = loss(logits, label)
    (gradient,) = torch.autograd.grad(value, logits)
    assert value.shape == ()
    assert torch.isfinite(gradient).all()
    assert not gradient[:, :, :2].any()
    assert (gradient[:, :, 2:] != 0).float().mean() > 0.9
    changed = logits.detach().clone()
    changed[:, :, :2] = 7
    assert torch.equal(loss(changed, label), value)


@needs_monai
@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('name', SUMS)
def test_value_and_gradient_are_those_of_the_image_without_ignored_pixels(name, channels):
    loss = build(name)
    logits, label = random_batch(channels)
    label[1] = torch.where(label[1] == 255, 0, label[1])
    value = loss(logits, label)
    (gradient,) = torch.autograd.grad(value, logits)
    smaller = [logits[:1, :, 2:].detach().requires_grad_(), logits[1:].detach().requires_grad_()]
    alone = (loss(smaller[0], label[:1, 2:]) + loss(smaller[1], label[1:])) / 2
    torch.testing.assert_close(value, alone)
    expected = torch.autograd.grad(alone, smaller)
    torch.testing.assert_close(gradient[:1, :, 2:], expected[0])
    torch.testing.assert_close(gradient[1:], expected[1])


@needs_monai
@pytest.mark.parametrize('name', [*SUMS, *SPATIAL])
def test_images_without_labels_change_nothing(name):
    loss = build(name)
    logits, label = random_batch()
    label[1] = 255
    torch.testing.assert_close(loss(logits, label), loss(logits[:1], label[:1]))
    (gradient,) = torch.autograd.grad(loss(logits, label), logits)
    assert not gradient[1].any()
    value = loss(logits, torch.full_like(label, 255))
    (gradient,) = torch.autograd.grad(value, logits)
    assert value == 0
    assert not gradient.any()


@needs_monai
@pytest.mark.parametrize('name', [*SUMS, *SPATIAL])
@pytest.mark.parametrize('label', [0, 1])
@pytest.mark.parametrize('channels', [1, 3])
def test_one_class_only_is_finite(name, label, channels):
    logits = torch.randn(1, channels, 5, 4, requires_grad=True)
    value = build(name)(logits, torch.full((1, 5, 4), label))
    (gradient,) = torch.autograd.grad(value, logits)
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()


@needs_monai
def test_the_sums_run_over_the_batch_if_wanted():
    logits, label = random_batch()
    label[1, 0] = 0
    whole = build('DiceLoss', batch=True)(logits, label)
    row = logits.transpose(0, 1).reshape(1, 3, 1, -1)
    torch.testing.assert_close(whole, build('DiceLoss')(row, label.view(1, 1, -1)))
    assert abs(whole - build('DiceLoss')(logits, label)) > 1e-4


@needs_monai
@pytest.mark.parametrize('name', [*PROBABILITIES, *CROSS_ENTROPY, *SPATIAL])
def test_one_channel_is_two_classes(name):
    logits, label = random_batch(1)
    two = torch.cat([-logits / 2, logits / 2], dim=1)
    torch.testing.assert_close(build(name)(logits, label), build(name)(two, label))


@needs_monai
@pytest.mark.parametrize('name', ['FocalLoss', 'DiceFocalLoss'])
def test_the_focal_losses_take_one_channel_as_it_is(name):
    logits, label = random_batch(1)
    valid = label != 255
    z, y = logits[:, 0], (label == 1).float()
    right = torch.where(y == 1, z, -z).sigmoid()
    focal = F.binary_cross_entropy_with_logits(z, y, reduction='none') * (1 - right) ** 2
    expected = focal[valid].mean()
    if name == 'DiceFocalLoss':
        for i in range(2):
            p, t = z[i][valid[i]].sigmoid(), y[i][valid[i]]
            expected = expected + (1 - 2 * (p * t).sum() / (p + t).sum()) / 2
    torch.testing.assert_close(build(name)(logits, label), expected, atol=1e-5, rtol=1e-4)


@needs_monai
@pytest.mark.parametrize('name', [*SUMS, *SPATIAL])
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(name, dtype):
    logits, label = random_batch()
    loss, half = build(name), logits.detach().to(dtype).requires_grad_()
    with torch.autocast('cpu', torch.bfloat16):
        value = loss(half, label)
    assert value.dtype == torch.float32
    assert torch.equal(value, loss(half.float(), label))
    value.backward()
    assert half.grad.dtype == dtype


@needs_monai
def test_of_a_sampler_only_the_pixels_that_it_keeps_count():
    logits, label = random_batch()
    head = type('Head', (), dict(ignore_index=255, loss_decode=build('DiceLoss')))()
    weight = OHEMPixelSampler(head, thresh=0.3, min_kept=5).sample(logits, label[:, None])
    assert 0 < weight.sum() < (label != 255).sum()
    expected = build('DiceLoss')(logits, label.where(weight == 1, 255))
    torch.testing.assert_close(build('DiceLoss')(logits, label, weight=weight), expected)
    with pytest.raises(UsageError, match=r'use a sampler .* OHEMPixelSampler with thresh'):
        OHEMPixelSampler(head, min_kept=5).sample(logits, label[:, None])
    with pytest.raises(UsageError, match='no weights of pixels other than 0 and 1'):
        build('DiceLoss')(logits, label, weight=0.5 * weight)


@needs_monai
@pytest.mark.parametrize('name', SPATIAL)
def test_spatial_losses_refuse_samplers(name):
    logits, label = random_batch()
    with pytest.raises(UsageError, match='remove sampler of the head'):
        build(name)(logits, label, weight=torch.ones(label.shape))


@needs_monai
@pytest.mark.parametrize(
    'head', [dict(num_classes=3), dict(num_classes=2, out_channels=1, threshold=0.4)]
)
def test_a_head_learns_from_it(head):
    torch.manual_seed(0)
    losses = [
        dict(type='ExternalLoss', name='TverskyLoss', alpha=0.3, beta=0.7),
        dict(type='ExternalLoss', name='DiceFocalLoss', loss_weight=0.5),
        dict(type='CrossEntropyLoss', avg_non_ignore=True, use_sigmoid='threshold' in head),
    ]
    kind = dict(type='mmseg.FCNHead', in_channels=4, channels=4, num_convs=1, loss_decode=losses)
    model = MODELS.build(kind | head).train()
    label = torch.randint(0, 2, (2, 1, 8, 8))
    label[:, :, 0] = 255
    samples = []
    for item in label:
        sample = SegDataSample()
        sample.gt_sem_seg = PixelData(data=item)
        samples.append(sample)
    features = (torch.randn(2, 4, 8, 8),)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for _ in range(4):
        values = model.loss(features, samples, {})
        assert {'loss_tversky', 'loss_dicefocal', 'loss_ce'} <= set(values)
        total = sum(value for key, value in values.items() if key.startswith('loss_'))
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        history.append(total.item())
    assert history[-1] < history[0] - 0.01


@needs_monai
@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            dict(name='Tversky'),
            "no 'Tversky' with .*: set name to one of .*DiceCELoss.*TverskyLoss",
        ),
        (dict(name='SSIMLoss'), "no 'SSIMLoss' with MONAI .*: set name to one of"),
        (dict(name='TverskyLoss', gamma=2), "TverskyLoss has no argument 'gamma'.* alpha, batch"),
        *(
            (
                dict(name='DiceLoss', **{key: True}),
                f'{key} of DiceLoss is set by this package: remove it',
            )
            for key in ('softmax', 'sigmoid', 'to_onehot_y', 'reduction', 'ignore_index')
        ),
        (dict(name='DiceCELoss', lambda_dice=-1), 'DiceCELoss refuses its arguments .*no less'),
    ],
)
def test_refusals(options, message):
    with pytest.raises(UsageError, match=message):
        MODELS.build(dict(type='ExternalLoss', **options))


@needs_monai
def test_spatial_losses_are_always_per_image():
    with pytest.raises(UsageError, match='batch of HausdorffDTLoss is set by this package'):
        build('HausdorffDTLoss', batch=True)


@needs_monai
@pytest.mark.parametrize('name', ['DiceLoss', 'DiceCELoss', 'FocalLoss'])
@pytest.mark.parametrize('channels', [1, 3])
def test_a_label_beyond_the_classes_is_refused(name, channels):
    logits, label = random_batch(channels)
    label[0, 3, 3] = 3
    with pytest.raises((RuntimeError, IndexError), match='out of'):
        build(name)(logits, label)


def test_without_monai_there_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, 'monai.losses', None)
    version = re.escape(torch.__version__.partition('+')[0])
    command = rf'run pip install monai "torch=={version}" "numpy==[\d.]+"$'
    needs = rf'ExternalLoss needs monai \(the extra mmseg_attn\[monai\]\), which .*: {command}'
    with pytest.raises(UsageError, match=needs):
        MODELS.build(dict(type='ExternalLoss', name='TverskyLoss'))

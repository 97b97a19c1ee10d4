"""DropBlock: how much, in which shape, and where it drops."""

import pytest
import torch
import torch.nn.functional as F

from mmseg_attn.models.layers import DropBlock


def dropped(layer: DropBlock, *shape: int) -> torch.Tensor:
    """Which values are set to zero."""
    return layer(torch.ones(shape)) == 0


def share(seed_probability: float, height: int, width: int, block: tuple[int, int]):
    """Probability that a position is dropped: that one of the blocks over it is."""
    over = [
        [sum(0 <= i - first <= side - b for first in range(b)) for i in range(side)]
        for side, b in zip((height, width), block, strict=True)
    ]
    return 1 - (1 - seed_probability) ** torch.outer(*map(torch.tensor, over))


@pytest.mark.parametrize(
    ('size', 'block', 'seed_probability'),
    [
        # 0.18 / 49 (20 30) / (14 24)
        ((20, 30), (7, 7), 0.006560),
        # 0.18 / 49 (7 7) / (1 1)
        ((7, 7), (7, 7), 0.18),
        # sides shorter than the block: 0.18 / (3 7) (3 10) / (1 4)
        ((3, 10), (3, 7), 0.064286),
        ((1, 1), (1, 1), 0.18),
    ],
)
def test_every_position_is_dropped_as_often_as_gamma_says(size, block, seed_probability):
    n = 20_000
    frequency = torch.stack([
        dropped(DropBlock(0.18, block_size=7), n // 100, 1, *size).float().mean(dim=(0, 1))
        for _ in range(100)
    ]).mean(dim=0)  # fmt: skip
    expected = share(seed_probability, *size, block)
    assert expected.max() < 0.28
    error = (expected * (1 - expected) / n).sqrt()
    assert ((frequency - expected).abs() < 5 * error).all()
    assert (frequency.mean() - expected.mean()).abs() < 0.006
    assert 0.14 < expected.mean() <= 0.1801


@pytest.mark.parametrize('block_size', [1, 4, 7])
def test_what_is_dropped_is_a_union_of_whole_blocks(block_size):
    zeros = dropped(DropBlock(0.1, block_size=block_size), 20, 3, 24, 31)
    assert 0.05 < zeros.float().mean() < 0.12
    whole = -F.max_pool2d(-zeros.float(), block_size, stride=1)  # where a whole block is zero
    union = torch.zeros_like(zeros)
    for n, c, i, j in whole.nonzero():
        union[n, c, i : i + block_size, j : j + block_size] = True
    assert torch.equal(zeros, union)
    counts = zeros.sum(dim=(2, 3))
    assert (counts == block_size**2).any() or block_size == 1
    assert ((counts == 0) | (counts >= block_size**2)).all()


def test_the_rest_is_scaled_so_that_the_sum_of_ones_stays():
    x = torch.ones(4, 8, 32, 32, dtype=torch.float64)
    out = DropBlock(0.18, block_size=7)(x)
    kept = (out > 0).sum()
    assert 0 < kept < x.numel()
    torch.testing.assert_close(out.max(), x.numel() / kept.double(), rtol=1e-6, atol=0)
    torch.testing.assert_close(out.sum(), x.sum(), rtol=1e-6, atol=0)


def test_the_expectation_is_the_input():
    """Away from the border, where every position has the same chance."""
    x = torch.randn(1, 1, 21, 21)
    out = DropBlock(0.18, block_size=3)(x.expand(20_000, 1, 21, 21)).mean(dim=0)[0]
    inner = (slice(3, -3),) * 2
    chance = share(0.18 / 9 * (21 / 19) ** 2, 21, 21, (3, 3))
    factor = (1 - chance) / (1 - chance).mean()
    torch.testing.assert_close(out, x[0, 0] * factor, rtol=0.03, atol=0)
    torch.testing.assert_close(factor[inner], torch.ones(15, 15), rtol=0.05, atol=0)


def test_every_sample_and_every_channel_has_its_own_mask():
    masks = dropped(DropBlock(0.18, block_size=7), 3, 4, 40, 40).flatten(0, 1)
    assert len(masks.unique(dim=0)) == 12


def test_nothing_happens_in_evaluation_or_at_rate_0():
    x = torch.randn(2, 3, 16, 16)
    assert DropBlock(0.5, block_size=7).eval()(x) is x
    assert DropBlock(0.0, block_size=7)(x) is x


def test_a_seed_decides_the_masks():
    layer = DropBlock(0.18, block_size=7)
    masks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(dropped(layer, 2, 4, 32, 32))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_the_gradient_is_the_mask_times_the_factor():
    x = torch.randn(2, 4, 32, 32, requires_grad=True)
    out = DropBlock(0.18, block_size=7)(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad, out.detach() / x.detach())
    assert (x.grad == 0).any()


def test_all_dropped_is_zero_and_finite():
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(DropBlock(1.0, block_size=7)(x), torch.zeros_like(x))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_stays(dtype):
    out = DropBlock(0.18, block_size=7)(torch.ones(4, 16, 64, 64, dtype=dtype))
    assert out.dtype == dtype
    assert abs(out.float().mean() - 1) < 0.01


@pytest.mark.parametrize(
    ('rate', 'block_size', 'message'),
    [(1.2, 7, 'rate must lie between 0 and 1, got 1.2'), (0.1, 0, 'at least 1, got 0')],
)
def test_refuses_what_cannot_be(rate, block_size, message):
    with pytest.raises(ValueError, match=message):
        DropBlock(rate, block_size=block_size)

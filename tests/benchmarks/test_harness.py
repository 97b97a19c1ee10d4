"""Contenders are checked, then timed in turns; no test here asserts a time."""

import pytest
import torch

from mmseg_attn.errors import DataError


@pytest.fixture
def harness(script):
    return script('harness')


def accept(result) -> None:
    """A check that finds nothing."""


def refuse(result) -> None:
    raise ValueError(f'{result} is not 3')


def test_contenders_take_turns_and_each_turn_begins_with_another(harness):
    calls = []
    contenders = [
        harness.Contender(name, lambda name=name: lambda: calls.append(name), accept)
        for name in 'abc'
    ]
    harness.compare(contenders, 'a', repeats=3, least=0, memory=False)
    timed = ''.join(calls)[-9:]
    assert timed == 'abcbcacab'


def test_a_wrong_contender_ends_it_before_anything_is_timed(harness):
    calls = []
    right = harness.Contender('right', lambda: lambda: calls.append('right'), accept)
    wrong = harness.Contender('wrong', lambda: lambda: 4, refuse)
    with pytest.raises(
        DataError, match='the result of wrong is wrong, so nothing is timed: 4 is not 3'
    ):
        harness.compare([right, wrong], 'right', repeats=50, least=0, memory=False)
    assert len(calls) <= 3  # to warm up, to be checked, to see how often to repeat


def test_short_calls_are_repeated(harness):
    calls = []
    contender = harness.Contender('short', lambda: lambda: calls.append(0), accept)
    harness.compare([contender], 'short', repeats=1, least=0.01, memory=False)
    assert len(calls) > 10


def test_rows(harness):
    x = torch.zeros(1 << 18)  # a MiB
    contenders = [
        harness.Contender('one', lambda: lambda: x + 1, accept),
        harness.Contender('two', lambda: lambda: (x + 1, x + 2), accept),
        harness.Contender('absent', lambda: 1 / 0, refuse, 'would take hours'),
    ]
    one, two, absent = harness.compare(contenders, 'one', repeats=3)
    assert one.fastest <= one.median <= one.slowest
    assert (one.ratio, one.peak_ratio, two.note) == (1, 1, '')
    assert 1 << 20 <= one.peak < (1 << 20) + 100
    assert two.ratio > 0
    assert two.peak_ratio == pytest.approx(2, rel=1e-3)
    assert (absent.median, absent.ratio, absent.peak) == (None, None, None)
    assert absent.note == 'would take hours'


def test_ratios_need_the_baseline(harness):
    contenders = [
        harness.Contender('base', lambda: 1 / 0, accept, 'needs too much memory'),
        harness.Contender('other', lambda: lambda: 0, accept),
    ]
    _, other = harness.compare(contenders, 'base', repeats=1, memory=False)
    assert other.median > 0
    assert (other.ratio, other.peak, other.peak_ratio) == (None, None, None)


def test_what_a_contender_owns_counts_as_its_memory(harness):
    def build():
        weights = torch.ones(1 << 18)
        return lambda: weights.sum()

    row = harness.compare([harness.Contender('x', build, accept)], 'x', repeats=1)[0]
    assert 1 << 20 <= row.peak < (1 << 20) + 4096

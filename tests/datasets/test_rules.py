"""The rules that the checker, the hook and the strict loader share, on tables of values."""

import numpy as np
import pytest

from mmseg_attn.datasets.findings import KINDS, Finding, merge_findings
from mmseg_attn.datasets.rules import IGNORE, is_0_255, is_color, is_stray, list_values


@pytest.mark.parametrize(
    ('kind', 'values', 'stray'),
    [
        (bool, [0, 1], []),
        (np.uint8, [0, 3, 4, 254, 255], [4, 254]),
        (np.int8, [-128, -1, 0, 3, 4], [-128, -1, 4]),
        (np.uint16, [0, 255, 256, 259, 65535], [256, 259, 65535]),
        (np.int32, [-253, -1, 0, 255, 511], [-253, -1, 511]),
        (np.float32, [-0.5, 0.0, 0.5, 3.0, 3.5, 255.0, 1e9], [-0.5, 0.5, 3.5, 1e9]),
    ],
)
def test_stray_values_of_four_classes(kind, values, stray):
    pixels = np.array([values, values], dtype=kind)
    expected = [[value in stray for value in values]] * 2
    assert is_stray(pixels, 4).tolist() == expected


def test_what_is_no_number_is_stray():
    with np.errstate(all='raise'):
        assert is_stray(np.array([np.nan, np.inf, -np.inf, 1]), 4).tolist() == [True] * 3 + [False]


def test_another_label_may_be_ignored():
    values = np.array([0, 1, 2, 255], np.uint8)
    assert is_stray(values, 2, ignored=2).tolist() == [False, False, False, True]
    assert not is_stray(np.arange(256), 256).any()


@pytest.mark.parametrize(
    ('values', 'expected'),
    [([0, 255], True), ([255], True), ([0], False), ([], False), ([0, 1, 255], False)],
)
def test_0_255_masks(values, expected):
    assert is_0_255(values) == expected


@pytest.mark.parametrize(
    ('shape', 'mode', 'palette', 'expected'),
    [
        ((2, 2), 'L', False, False),
        ((2, 2), 'P', True, False),
        ((2, 2), 'P', False, True),
        ((2, 2, 3), 'RGB', True, True),
    ],
)
def test_color_masks(shape, mode, palette, expected):
    assert is_color(np.zeros(shape), mode, palette=palette) == expected


def test_values_are_listed_by_their_pixels():
    assert list_values({7: 1, 9: 3}) == '9 (3 px), 7 (1 px)'
    assert list_values({n: n for n in range(1, 9)}).endswith('3 (3 px) and 2 more')


def test_every_kind_is_complete():
    assert IGNORE == 255
    for kind in KINDS.values():
        assert kind.severity in ('error', 'warning')
        assert kind.message
        assert kind.remedy
        with pytest.raises(AttributeError):
            kind.remedy = ''


def test_what_splits_have_in_common_is_merged():
    findings = [Finding('blank', split) for split in ('train', 'val')]
    merged, other = merge_findings([*findings, Finding('leak', 'train')])
    assert (merged.split, other.split) == ('train, val', 'train')

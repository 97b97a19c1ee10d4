"""Cases by the names of images."""

import pytest

from mmseg_attn.apps.runs import case_rule
from mmseg_attn.errors import UsageError


@pytest.mark.parametrize(
    ('pattern', 'case'),
    [
        (r'p\d+', 'p07'),
        (r'p(\d+)_', '07'),
        ('^[^_]+', 'mri/p07'),
        (r'_(\d)(\d)', '1'),
        (r'(stack\d)|p\d+', 'p07'),
    ],
)
def test_a_case_is_the_first_group_or_the_match(pattern, case):
    assert case_rule(pattern)('mri/p07_12.png') == case


def test_a_wrong_pattern_is_named():
    with pytest.raises(UsageError, match=r'^--case-pattern \( is not a regular expression \('):
        case_rule('(')
    with pytest.raises(UsageError, match=r'^--case-pattern q does not match the name p07: '):
        case_rule('q')('p07')
    with pytest.raises(UsageError, match='does not match the name p07'):
        case_rule('^[0-9]*')('p07')  # which matches nothing

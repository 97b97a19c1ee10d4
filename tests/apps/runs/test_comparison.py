"""Comparisons by hand arithmetic on a few images."""

from itertools import combinations_with_replacement

import pytest

from mmseg_attn.apps.runs import Comparison, compare


def image(correct: int, pixels: int = 100) -> list[list[int]]:
    """Areas of one class that is predicted only where it is labeled: IoU correct / pixels."""
    return [[correct], [correct], [pixels]]


def run(*correct: int) -> dict[str, list]:
    return {f'{i}.png': image(value) for i, value in enumerate(correct)}


def test_the_difference_is_that_of_the_summed_areas():
    ours = {'a': image(50), 'b': [[300], [300], [400]]}  # 350 of 500
    theirs = {'a': image(90), 'b': [[100], [100], [400]]}  # 190 of 500
    assert compare([ours], [theirs]).difference == pytest.approx(100 * 350 / 500 - 100 * 190 / 500)


def test_the_difference_of_one_class():
    ours = {'a.png': [[6, 3], [7, 5], [8, 4]], 'b.png': [[2, 0], [2, 1], [4, 0]]}
    theirs = {'a.png': [[4, 3], [6, 5], [8, 4]], 'b.png': [[1, 0], [1, 0], [4, 0]]}
    compared = compare([ours], [theirs], label=0)
    assert compared.difference == pytest.approx(100 * 8 / 13 - 100 * 5 / 14)
    assert (f'{compared.difference:.1f}', compared.measure) == ('25.8', 'IoU')
    second = compare([ours], [theirs], label=1)
    assert second.difference == pytest.approx(100 * 3 / 7 - 100 * 3 / 6)


def test_runs_of_a_model_are_averaged_and_sets_count_the_same():
    seeds = [run(50, 50), run(60, 60)]  # 55
    other_set = {'x.png': image(90)}
    ours, theirs = [*seeds, other_set], [run(40, 40), {'x.png': image(85)}]
    found = compare(ours, theirs)
    assert found.difference == pytest.approx(((55 - 40) + (90 - 85)) / 2)
    assert found.images == 3


def test_only_common_sets_count():
    found = compare([run(50, 50), {'x.png': image(10)}], [run(40, 40)])
    assert found.difference == pytest.approx(10)
    assert found.images == 2
    assert compare([run(50, 50)], [run(50)]) is None
    assert compare([], [run(50)]) is None


def test_the_interval_of_two_images():
    """Resamples: twice the first (1/4), both (1/2), twice the second (1/4)."""
    found = compare([run(50, 70)], [run(40, 40)])
    assert found.difference == pytest.approx(20)
    assert found.over_cases == (pytest.approx(10), pytest.approx(30))


def test_the_interval_of_three_images_has_the_quantiles_of_all_resamples():
    gains, values = [0, 10, 40], []
    for sample in combinations_with_replacement(range(3), 3):
        orders = {1: 1, 2: 3, 3: 6}[len(set(sample))]  # by the number of distinct images
        values += [sum(gains[i] for i in sample) / 3] * orders
    assert len(values) == 27
    found = compare([run(*(40 + gain for gain in gains))], [run(40, 40, 40)])
    # the smallest and the largest value have a probability of 1/27 each, more than 2.5 percent
    assert found.over_cases == (pytest.approx(min(values)), pytest.approx(max(values)))
    assert found.difference == pytest.approx(50 / 3)


def test_a_set_without_images_in_a_resample_does_not_count_in_it():
    """Resamples: twice the first (1/4), which is a set of its own, both (1/2), the second (1/4)."""
    found = compare([{'a': image(50)}, {'b': image(70)}], [{'a': image(40)}, {'b': image(40)}])
    assert found.difference == pytest.approx(20)
    assert found.over_cases == (pytest.approx(10), pytest.approx(30))


def test_cases_are_resampled_whole():
    """Of two cases, a resample has none of the second with 1/4; of eight images, with 1/256."""
    ours = {f'{case}_{i}': image(40 + 20 * case) for case in (0, 1) for i in range(4)}
    theirs = dict.fromkeys(ours, image(40))
    found = compare([ours], [theirs], case=lambda name: name[0])
    assert (found.images, found.cases) == (8, 2)
    assert found.over_cases == (pytest.approx(0), pytest.approx(20))
    of_images = compare([ours], [theirs])
    assert (of_images.images, of_images.cases) == (8, 8)
    assert 0 < of_images.over_cases[0] < of_images.over_cases[1] < 20


def test_a_case_in_several_sets_is_resampled_in_all_of_them():
    """All three sets gain 0 or 20 with 1/4; if they were independent, with 1/64."""
    sets = [{f'{case}_{name}': image(40 + 20 * case) for case in (0, 1)} for name in 'abc']
    other = [dict.fromkeys(images, image(40)) for images in sets]
    found = compare(sets, other, case=lambda name: name[0])
    assert (found.images, found.cases) == (6, 2)
    assert found.over_cases == (pytest.approx(0), pytest.approx(20))


def test_the_difference_on_each_set():
    ours = [{'a': image(50)}, {'b': image(60)}, {'b': image(70)}, {'c': image(30)}]
    theirs = [{'c': image(40)}, {'a': image(40)}, {'b': image(40)}]
    found = compare(ours, theirs)
    assert found.by_set == pytest.approx((10, 25, -10))
    assert found.difference == pytest.approx(25 / 3)


def test_the_interval_narrows_with_the_images():
    """Of n images that gain 0 or 20, the mean has a deviation of 10 / sqrt(n)."""
    gains = [0, 20] * 200
    found = compare([run(*(40 + gain for gain in gains))], [run(*[40] * 400)])
    assert found.difference == pytest.approx(10)
    assert found.over_cases[0] == pytest.approx(10 - 1.97 * 10 / 20, abs=0.05)
    assert found.over_cases[1] == pytest.approx(10 + 1.97 * 10 / 20, abs=0.05)


def test_a_difference_of_all_images_alike_has_no_spread():
    values = [10, 90, 50, 30]
    found = compare([run(*(value + 5 for value in values))], [run(*values)])
    assert (found.difference, *found.over_cases) == pytest.approx((5, 5, 5))


@pytest.mark.parametrize(
    ('gains', 'p'),
    [
        ([1, 2, 3, 4, 5], 2 / 2**5),  # no order of signs is as extreme but the opposite one
        ([1, 2, 3, 4, 5, 6], 2 / 2**6),
        ([-1, 2, 3, 4, 5], 4 / 2**5),  # nor are those with the smallest sign turned
        ([0, 0, 0], 1.0),
    ],
)
def test_wilcoxon(gains, p):
    ours, theirs = run(*(50 + gain for gain in gains)), run(*[50] * len(gains))
    assert compare([ours], [theirs]).p == pytest.approx(p)


def test_wilcoxon_of_cases_compares_the_means_of_their_images():
    gains = {'a1': 5, 'a2': -3, 'b1': 2, 'c1': 4, 'c2': 2, 'c3': 3, 'd1': 1, 'd2': -9}
    ours = {name: image(50 + gain) for name, gain in gains.items()}
    theirs = dict.fromkeys(ours, image(50))
    # 1, 2, 3 and -4, whose rank is the largest: 14 of 16 orders of signs are as extreme
    assert compare([ours], [theirs], case=lambda name: name[0]).p == pytest.approx(14 / 2**4)


def test_scores_of_images_leave_out_what_is_not_labeled():
    """Our model finds a second class that is not labeled, which counts only in the sums."""
    ours = {name: [[5, 0], [5, 5], [10, 0]] for name in 'abcdef'}
    theirs = {name: [[5, 0], [5, 0], [10, 0]] for name in 'abcdef'}
    found = compare([ours], [theirs])
    assert found.p == 1.0
    assert found.difference == pytest.approx(25 - 50)


def test_scores_of_images_are_means_over_the_labeled_classes():
    # the second class is not labeled in the first image, where we predict it: only b differs
    ours = {'a': [[5, 0], [5, 5], [10, 0]], 'b': [[5, 5], [5, 5], [10, 10]]}
    theirs = {'a': [[5, 0], [5, 0], [10, 0]], 'b': [[5, 4], [5, 4], [10, 10]]}
    assert compare([ours], [theirs]).p == 1.0  # one difference that is not 0
    assert compare([ours], [theirs]).difference == pytest.approx(
        # class 0: 10 of 20 in both; class 1: 5 of 10 + 10 - 5, and 4 of 10
        ((50 + 100 * 5 / 15) - (50 + 40)) / 2
    )


def test_the_interval_of_few_cases_is_widened():
    """Of 20 images that gain 0 or 20, a resample gains k in the mean with binomial (20, 1/2).

    For 20 cases, the quantile of Student's distribution is 2.093, and the normal distribution is
    below -2.093 sqrt(20 / 19) with 1.59 %; P(k <= 4) is 0.6 %, P(k <= 5) 2.1 %, P(k <= 6) 5.8 %, so
    the bounds without widening would be 6 and 14.
    """
    gains = [0, 20] * 10
    found = compare([run(*(40 + gain for gain in gains))], [run(*[40] * 20)])
    assert found.over_cases == pytest.approx((5, 15))


def test_the_interval_over_folds():
    ours = [{'a': image(50)}, {'b': image(60)}, {'c': image(70)}]
    theirs = [{'a': image(48)}, {'b': image(55)}, {'c': image(62)}]
    found = compare(ours, theirs)  # 2, 5, 8: deviation 3
    half = 4.303 * 3 / 3**0.5
    assert found.over_sets == pytest.approx((5 - half, 5 + half), abs=0.01)
    assert compare(ours[:1], theirs[:1]).over_sets is None


def test_the_interval_over_runs_on_a_single_set():
    """Means 52 and 47, squares 2 + 8 of 3 degrees of freedom, variance 10/3 (1/3 + 1/2)."""
    ours, theirs = [run(*[iou] * 6) for iou in (51, 52, 53)], [run(*[iou] * 6) for iou in (45, 49)]
    found = compare(ours, theirs)
    half = 3.182 * (10 / 3 * (1 / 3 + 1 / 2)) ** 0.5
    assert found.over_runs == pytest.approx((5 - half, 5 + half), abs=0.01)
    assert str(found) == (
        'no difference shown: +5.0 mIoU (95 % interval 5.0 to 5.0 over cases, -0.3 to 10.3 over '
        'runs)'
    )
    assert compare(ours, [run(*[40] * 6)]).shown  # 12 more, with 2 degrees of freedom 5.0 at most
    assert compare(ours[:1], theirs[:1]).over_runs is None


def test_several_seeds_on_several_folds_have_an_interval_over_folds_alone():
    folds = [{'a': image(iou)} for iou in (50, 60)], [{'b': image(iou)} for iou in (50, 60)]
    found = compare([*folds[0], *folds[1]], [folds[0][0], folds[1][0]])
    assert found.by_set == pytest.approx((5, 5))
    assert found.over_sets == pytest.approx((5, 5))
    assert found.over_runs is None


def test_a_class_that_a_set_does_not_have_does_not_count_in_it():
    """The second class is neither labeled nor predicted in the second set, nor in image b."""
    one = {'a': [[5, 6], [5, 6], [10, 10]], 'b': [[5, 0], [5, 0], [10, 0]]}
    none = {'c': [[5, 0], [5, 0], [10, 0]]}
    theirs = {'a': [[5, 4], [5, 4], [10, 10]], 'b': [[5, 0], [5, 0], [10, 0]]}
    found = compare([one, none], [theirs, none], label=1)
    assert found.by_set == pytest.approx((20,))
    assert found.over_cases == pytest.approx((20, 20))  # resamples without a count in none
    assert (found.images, found.cases) == (2, 2)
    assert compare([none], [none], label=1) is None
    other = {'c': [[5, 1], [5, 1], [10, 0]]}  # a seed that predicts the class
    assert compare([one, none, other], [theirs, none], label=1).by_set == pytest.approx((20,))


def make(difference: float, low: float, high: float, **values) -> Comparison:
    values = dict(cases=9, by_set=(difference,)) | values
    return Comparison(difference=difference, over_cases=(low, high), p=0.5, images=9, **values)


@pytest.mark.parametrize(
    ('bounds', 'text'),
    [
        ((0.94, 0.32, 1.51), '+0.9 mIoU (95 % interval 0.3 to 1.5)'),
        ((-0.94, -1.51, -0.32), '-0.9 mIoU (95 % interval -1.5 to -0.3)'),
        ((0.24, -0.5, 0.9), 'no difference shown: +0.2 mIoU (95 % interval -0.5 to 0.9)'),
        ((0.0, 0.0, 0.0), 'no difference shown: +0.0 mIoU (95 % interval 0.0 to 0.0)'),
        ((-0.04, -1, 1), 'no difference shown: +0.0 mIoU (95 % interval -1.0 to 1.0)'),
        ((0.5, 0.04, 0.9), 'no difference shown: +0.5 mIoU (95 % interval 0.0 to 0.9)'),
        ((-0.5, -0.9, -0.04), 'no difference shown: -0.5 mIoU (95 % interval -0.9 to 0.0)'),
    ],
)
def test_words(bounds, text):
    assert str(make(*bounds)) == text


def test_words_of_several_folds():
    """Differences 0 and 2 have a t interval of 1 ± 12.7, and 0.9, 1, 1.1 of 1 ± 0.25."""
    assert str(make(1, 0.6, 1.4, by_set=(0, 2))) == (
        'no difference shown: +1.0 mIoU (95 % interval 0.6 to 1.4 over cases, -11.7 to 13.7 over '
        'folds)'
    )
    assert str(make(1, 0.6, 1.4, by_set=(0.9, 1, 1.1))) == (
        '+1.0 mIoU (95 % interval 0.6 to 1.4 over cases, 0.8 to 1.2 over folds)'
    )


def test_few_cases_show_nothing():
    words = 'no difference shown: +5.0 mIoU (no interval of fewer than 6 cases)'
    assert str(make(5, 4, 6, cases=5)) == words
    assert make(5, 4, 6, cases=6).shown


def test_sets_are_listed_by_name_if_each_has_one():
    found = make(0, -1, 1, by_set=(0.26, -1.06))
    assert found.list_sets() == '+0.3, -1.1'
    assert found.list_sets([0, 3]) == '0: +0.3, 3: -1.1'
    assert found.list_sets([0, 1, 3]) == '+0.3, -1.1'
    assert make(-0.01, -1, 1, by_set=(-0.04, 0.04)).list_sets() == '+0.0, +0.0'

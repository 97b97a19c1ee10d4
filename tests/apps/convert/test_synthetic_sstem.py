import numpy as np
import pytest

from mmseg_attn.apps.convert.synthetic_sstem import MEMBRANES, MIN_SIZE, synthetic_slice

OTHERS = (159, 191, 223, 255)


def test_slice_is_reproducible_and_depends_on_seed_and_index():
    first = synthetic_slice(MIN_SIZE, seed=3, index=1)
    again = synthetic_slice(MIN_SIZE, seed=3, index=1)
    np.testing.assert_array_equal(first, again)
    for other in (
        synthetic_slice(MIN_SIZE, seed=4, index=1),
        synthetic_slice(128, seed=3, index=2),
    ):
        assert np.mean(first[0] != other[0]) > 0.9
        assert np.mean(first[1] != other[1]) > 0.1


@pytest.mark.parametrize('index', range(4))
def test_slice_holds_all_classes_and_official_values_only(index):
    image, labels = synthetic_slice(150, seed=0, index=index)  # no multiple of anything
    assert image.shape == labels.shape == (150, 150)
    assert image.dtype == labels.dtype == np.uint8
    values = set(np.unique(labels).tolist())
    assert values >= set(OTHERS)
    assert values & set(MEMBRANES.tolist())
    assert values <= {*OTHERS, *MEMBRANES.tolist()}


def test_shares_and_gray_values_are_like_the_real_ones():
    image, labels = synthetic_slice(512, seed=0, index=0)
    masks = [np.isin(labels, MEMBRANES), *(labels == value for value in OTHERS)]
    # Real: membrane 17.2, extracellular 2.8, mitochondria 5.4, synapse 0.6, intracellular 74.1 %.
    bounds = ((0.13, 0.22), (0.02, 0.04), (0.04, 0.08), (0.004, 0.009), (0.68, 0.79))
    for mask, (low, high) in zip(masks, bounds, strict=True):
        assert low < mask.mean() < high
    # Real: mean gray values 64, 76, 86, 37 and 149.
    for mask, gray in zip(masks, (64, 76, 86, 37, 149), strict=True):
        assert image[mask].mean() == pytest.approx(gray, abs=15)


def test_gray_value_alone_does_not_give_the_class():
    """The best guess from the gray value finds nothing of the small classes."""
    image, labels = synthetic_slice(256, seed=0, index=0)
    classes = np.where(np.isin(labels, MEMBRANES), 0, labels)
    names = np.unique(classes)
    counts = np.stack([np.bincount(image[classes == c], minlength=256) for c in names])
    guess = names[counts.argmax(0)][image]
    for c in (159, 191, 223):
        union = np.sum((guess == c) | (classes == c))
        assert np.sum((guess == c) & (classes == c)) / union < 0.2


def test_too_small_is_refused():
    with pytest.raises(ValueError, match=r'size is 127.*at least 128'):
        synthetic_slice(127, seed=0, index=0)

import numpy as np

from mmseg_attn.io.sampling import sample


def test_few_values_are_all_returned():
    values = np.arange(6).reshape(3, 2)
    np.testing.assert_array_equal(sample(values, 3), values)


def test_a_sample_is_of_all_columns():
    columns = np.tile(np.arange(64), 64)  # a regular distance of 64 would find one
    drawn = sample(columns, 64)
    assert len(drawn) == 64
    assert len(np.unique(drawn)) > 32
    np.testing.assert_array_equal(drawn, sample(columns, 64))


def test_the_order_is_kept():
    drawn = sample(np.arange(1000), 100)
    assert (np.diff(drawn) >= 0).all()
    assert drawn.min() < 50
    assert drawn.max() > 950

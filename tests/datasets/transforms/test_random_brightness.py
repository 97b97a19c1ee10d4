import numpy as np
import pytest
from mmseg.registry import TRANSFORMS


def test_one_number_is_added_to_all_values_and_clipped():
    transform = TRANSFORMS.build(dict(type='RandomBrightness', delta=40))
    image = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    np.random.seed(0)
    shifts = []
    for _ in range(300):
        result = transform(dict(img=image))['img']
        assert result.dtype == np.uint8
        inner = (result > 0) & (result < 255)
        (shift,) = set((result.astype(int) - image)[inner].tolist())
        np.testing.assert_array_equal(result, np.clip(image.astype(int) + shift, 0, 255))
        shifts.append(shift)
    assert -40 <= min(shifts) < -36
    assert 36 < max(shifts) <= 40
    assert abs(np.mean(shifts)) < 4


def test_zero_changes_nothing():
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    result = TRANSFORMS.build(dict(type='RandomBrightness', delta=0))(dict(img=image))['img']
    np.testing.assert_array_equal(result, image)


@pytest.mark.parametrize('delta', [-1, 256])
def test_wrong_settings_are_refused(delta):
    with pytest.raises(ValueError, match=f'delta is {delta}: choose a number of gray levels'):
        TRANSFORMS.build(dict(type='RandomBrightness', delta=delta))

import numpy as np
import pytest

from mmseg_attn.apps.predict import FileContent, Intensities
from mmseg_attn.errors import DataError
from mmseg_attn.io import ct_window, percentile_window


def slices(*ranges) -> FileContent:
    return FileContent([np.linspace(low, high, 6).reshape(2, 3) for low, high in ranges])


def test_eight_bits_stay_as_they_are(tmp_path):
    source = FileContent([np.arange(6, dtype=np.uint8).reshape(2, 3)])
    for rule in (dict(), dict(window=(0, 3)), dict(choose=percentile_window), dict(keep=True)):
        found, done = Intensities([], **rule).apply(tmp_path / 'x.png', source)
        assert found is source.slices
        assert done is None


def test_more_than_eight_bits_are_refused_without_a_rule(tmp_path):
    for rule in (dict(), dict(choose=ct_window)):
        with pytest.raises(
            DataError,
            match=r'x\.tif contains float64 values from 0 to 4095, but the model was trained on 8 '
            r'bits: .*--intensity LOW HIGH',
        ):
            Intensities([], **rule).apply(tmp_path / 'x.tif', slices((0, 9), (5, 4095)))


def test_a_window_of_the_user_counts_first(tmp_path):
    rule = Intensities([], window=(0, 100), choose=ct_window)
    (found,), done = rule.apply(tmp_path / 'x.nii', slices((-1000, 1000)))
    assert done == ((0, 100), 1.0)
    assert found.tolist() == [[0, 0, 0], [255, 255, 255]]


def test_the_rule_of_the_training_sees_all_slices(tmp_path):
    found, done = Intensities([], choose=ct_window).apply(
        tmp_path / 'x.nii', slices((-499, 500), (-1000, 500))
    )
    assert done.window == (-1500, 500)
    assert done.outside == 0
    assert [each.max() for each in found] == [255, 255]
    assert [each.min() for each in found] == [128, 64]


def test_values_are_kept_where_the_model_takes_any(tmp_path):
    source = slices((0, 4095))
    found, done = Intensities([], keep=True).apply(tmp_path / 'x.tif', source)
    assert found is source.slices
    assert done is None


def test_a_dicom_series_has_one_window(tmp_path):
    dicom = pytest.importorskip('tests.data.dicom')
    from mmseg_attn.apps.predict import read_content

    ranges = dict(a=(0, 100), b=(50, 1000), other=(0, 7))
    for name, (low, high) in ranges.items():
        pixels = np.linspace(low, high, 6).round().astype(np.uint16).reshape(2, 3)
        series = '1.2.3' if name != 'other' else '1.2.4'
        dicom.write(tmp_path / f'{name}.dcm', pixels, SeriesInstanceUID=series)
    (tmp_path / 'broken.dcm').write_text('reported when its turn comes')
    files = sorted(tmp_path.iterdir())
    rule = Intensities(files, choose=lambda v: percentile_window(v, percentiles=(0, 100)))
    windows = {
        name: rule.apply(tmp_path / f'{name}.dcm', read_content(tmp_path / f'{name}.dcm'))[1].window
        for name in ranges
    }
    assert windows == dict(a=(0, 1000), b=(0, 1000), other=(0, 7))


def test_pages_of_eight_bits_stay_beside_deeper_ones(tmp_path):
    shallow = np.array([[0, 254]], np.uint8)
    deep = np.array([[0, 4095]], np.uint16)
    content = FileContent([shallow, deep])
    (first, second), mapping = Intensities([], window=(0, 4095)).apply(tmp_path / 'x.png', content)
    np.testing.assert_array_equal(first, shallow)
    np.testing.assert_array_equal(second, [[0, 255]])
    assert mapping.outside == 0
    (first, second), mapping = Intensities([], choose=lambda v: (v.min(), v.max())).apply(
        tmp_path / 'x.png', FileContent([shallow, deep + 100])
    )
    assert mapping.window == (100, 4195)  # of the deep page alone

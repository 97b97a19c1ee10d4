import numpy as np
import pytest

from mmseg_attn.errors import UnsupportedError
from mmseg_attn.io.axes import StackAxes, arranged, check_axes
from mmseg_attn.io.spacing import Length


@pytest.mark.parametrize(
    ('names', 'shape', 'k', 'offset', 'expected'),
    [
        ('Z', (4,), 1, 1, 2),
        ('Z', (4,), 0, -2, 0),
        ('Z', (4,), 3, 1, 3),
        ('T', (4,), 3, -1, 2),
        ('TZ', (2, 3), 2, 1, 2),  # the last slice at the first time
        ('TZ', (2, 3), 3, -1, 3),
        ('TZ', (2, 3), 4, -1, 3),
        ('ZT', (3, 2), 1, 1, 3),  # the same time, one slice further
        ('ZT', (3, 2), 4, 1, 4),
        ('ZT', (3, 2), 5, -2, 1),
    ],
)
def test_neighbors_lie_in_the_same_volume(names, shape, k, offset, expected):
    axes = StackAxes(names, shape, 'ome')
    assert axes.adjacent(k, offset) == expected
    # the same by indices of an array of the numbers
    place = list(np.unravel_index(k, shape))
    along = names.index('Z') if 'Z' in names else 0
    place[along] = np.clip(place[along] + offset, 0, shape[along] - 1)
    assert np.arange(axes.count).reshape(shape)[tuple(place)] == expected


def test_an_image_has_no_neighbors():
    assert StackAxes('', (), 'zarr').adjacent(0, 1) == 0


def test_areas_and_volumes_need_known_units():
    lengths = dict(X=Length(0.5, 'µm'), Y=Length(250, 'nm'), Z=Length(2, 'um'))
    axes = StackAxes('Z', (3,), 'imagej', lengths)
    assert axes.pixel_area == pytest.approx(0.5e-3 * 0.25e-3)
    assert axes.voxel_volume == pytest.approx(0.5e-3 * 0.25e-3 * 2e-3)
    assert StackAxes('T', (3,), 'imagej', lengths | dict(Z=Length(2, 's'))).voxel_volume is None
    assert StackAxes('T', (3,), 'imagej').pixel_area is None


def test_slices_come_first_and_channels_last():
    pixels = np.arange(2 * 3 * 4 * 5 * 6).reshape(2, 3, 4, 5, 6)
    moved, slices = arranged(pixels, 'TCZYX')
    assert (moved.shape, slices) == ((2, 4, 5, 6, 3), 'TZ')
    np.testing.assert_array_equal(moved[1, 3, :, :, 2], pixels[1, 2, 3])
    moved, slices = arranged(pixels[0, 0], 'YXZ')
    assert slices == 'Z'
    np.testing.assert_array_equal(moved[2], pixels[0, 0, :, :, 2])


@pytest.mark.parametrize(
    ('axes', 'message'),
    [
        ('CYX', r'a\.tif has the shape 3x2x8x9 \(IQYX\), but --axes is CYX: name 4 letters, one'),
        ('ZWYX', 'but --axes is ZWYX, and W is no axis: use T'),
        ('ZZYX', 'name each axis once, Y and X among them, and either C or S'),
        ('TZCX', 'name each axis once, Y and X'),
        ('CSYX', 'either C or S'),
    ],
)
def test_letters_that_cannot_be(axes, message):
    with pytest.raises(UnsupportedError, match=message):
        check_axes(axes, (3, 2, 8, 9), 'a.tif', stored='IQYX')


def test_letters_may_be_lower_case():
    assert check_axes('zcyx', (3, 2, 8, 9), 'a.tif', stored='IQYX') == 'ZCYX'

"""Masks that lie elsewhere than their images."""

import numpy as np
import pytest

from mmseg_attn.errors import UnsupportedError
from mmseg_attn.io import check_placement

SHAPE = (8, 6, 2)
IMAGE = np.diag([0.4, 0.4, 3.0, 1.0])


def moved(affine: np.ndarray, *origin: float) -> np.ndarray:
    affine = affine.copy()
    affine[:3, 3] += origin
    return affine


@pytest.fixture
def pair(tmp_path):
    """Write an image and a mask with the given affines; return their paths."""
    nibabel = pytest.importorskip('nibabel')

    def pair(image: np.ndarray, mask: np.ndarray, unit: str = 'mm'):
        paths = tmp_path / 'image.nii', tmp_path / 'mask.nii'
        for path, affine, name in zip(paths, (image, mask), ('mm', unit), strict=True):
            file = nibabel.Nifti1Image(np.zeros(SHAPE, np.uint8), affine)
            file.header.set_xyzt_units(name)
            nibabel.save(file, path)
        return paths

    return pair


@pytest.mark.parametrize(
    'mask',
    [IMAGE, moved(IMAGE, 0.19, 0, 0), np.diag([0.4 + 1e-3, 0.4, 3, 1])],
    ids=['same', 'less than half a voxel', 'rounded'],
)
def test_masks_at_the_place_of_their_image(pair, mask):
    check_placement(*pair(IMAGE, mask), SHAPE)


@pytest.mark.parametrize(
    ('mask', 'away'),
    [
        (moved(IMAGE, 0.21, 0, 0), '0.21'),
        (moved(IMAGE, 30, -12, 9), '33.5'),
        (np.diag([0.8, 0.8, 3, 1]), '3.44'),  # 0.4 * norm(7, 5) at the last corner
        (np.diag([0.4, 0.4, 4, 1]), '1'),
    ],
    ids=['half a voxel', 'origin', 'spacing', 'thickness'],
)
def test_labels_that_would_be_shifted_are_refused(pair, mask, away):
    with pytest.raises(
        UnsupportedError, match=rf'mask\.nii has spacing .* up to {away} mm: resample'
    ):
        check_placement(*pair(IMAGE, mask), SHAPE)


def test_units_count(pair):
    scaled = IMAGE.copy()
    scaled[:3] *= 1000
    check_placement(*pair(IMAGE, scaled, 'micron'), SHAPE)


def test_axes_that_point_elsewhere_are_named(pair):
    with pytest.raises(UnsupportedError, match=r'mask\.nii point to LAS, .*image\.nii to RAS'):
        check_placement(*pair(IMAGE, np.diag([-0.4, 0.4, 3, 1])), SHAPE)


def test_dicom_files_say_where_they_lie(tmp_path):
    pytest.importorskip('pydicom')
    from tests.data import dicom

    def write(name: str, **tags) -> None:
        place = dict(ImagePositionPatient=[1, 2, 3], ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
        pixels = np.zeros((6, 8), np.uint8)
        dicom.write(tmp_path / name, pixels, **(place | dict(PixelSpacing=[0.5, 0.5]) | tags))

    image, mask = tmp_path / 'image.dcm', tmp_path / 'mask.dcm'
    write(image.name)
    for tags in (dict(), dict(ImagePositionPatient=[1.2, 2, 3]), dict(PixelSpacing=None)):
        write(mask.name, **tags)
        check_placement(image, mask, (8, 6))
    write(mask.name, ImagePositionPatient=[1, 2, 6])  # the next slice
    with pytest.raises(UnsupportedError, match=r'mask\.dcm has spacing .* up to 3 mm: resample'):
        check_placement(image, mask, (8, 6))

    write(mask.name, PixelSpacing=[0.9, 0.9], ImageOrientationPatient=None)
    with pytest.raises(UnsupportedError, match=r'spacing of 0.9 x 0.9 mm, .* has 0.5 x 0.5 mm'):
        check_placement(image, mask, (8, 6))


def test_files_that_say_nothing_are_taken(tmp_path):
    check_placement(tmp_path / 'image.png', tmp_path / 'mask.nii', SHAPE)
    check_placement(tmp_path / 'image.tif', tmp_path / 'mask.png', SHAPE)

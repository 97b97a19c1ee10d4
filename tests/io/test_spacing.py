"""The distances between the pixels of a slice."""

import numpy as np
import pytest

from mmseg_attn.io import read_slices, slice_spacing, write_png

SLICE = np.zeros((6, 5), np.uint8)


def test_nifti(tmp_path):
    nibabel = pytest.importorskip('nibabel', reason='needs nibabel')
    # oblique: the first axis, which a viewer shows from left to right, has steps of 0.5
    affine = np.array([[0.3, 0, 0, 7], [0.4, 0, 2, 8], [0, -0.25, 0, 9], [0, 0, 0, 1]])
    volume = np.zeros((5, 6, 2), np.uint8)  # columns, rows, slices
    nibabel.save(nibabel.Nifti1Image(volume, affine), tmp_path / 'a.nii.gz')
    assert read_slices(tmp_path / 'a.nii.gz').shape == (2, 6, 5)
    assert slice_spacing(tmp_path / 'a.nii.gz') == pytest.approx((0.25, 0.5))
    image = nibabel.Nifti1Image(volume, affine)
    image.header.set_xyzt_units('micron')
    nibabel.save(image, tmp_path / 'b.nii')
    assert slice_spacing(tmp_path / 'b.nii') == pytest.approx((0.00025, 0.0005))


def test_dicom(tmp_path):
    pytest.importorskip('pydicom', reason='needs pydicom')
    from tests.data import dicom

    dicom.write(tmp_path / 'a.dcm', SLICE, PixelSpacing=[0.5, 0.25])  # of rows, of columns
    assert slice_spacing(tmp_path / 'a.dcm') == (0.5, 0.25)
    dicom.write(tmp_path / 'b.dcm', SLICE)
    assert slice_spacing(tmp_path / 'b.dcm') is None


def test_other_files_have_none(tmp_path):
    write_png(tmp_path / 'a.png', SLICE)
    assert slice_spacing(tmp_path / 'a.png') is None

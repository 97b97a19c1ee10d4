import numpy as np
import pytest

from mmseg_attn.apps.new_dataset import reading
from mmseg_attn.apps.new_dataset.files import Pair
from mmseg_attn.apps.new_dataset.reading import measure, read_image_slices
from mmseg_attn.errors import UnsupportedError


def test_channels_in_planes_are_refused(tmp_path):
    tifffile = pytest.importorskip('tifffile')
    planes = np.zeros((2, 8, 9), np.uint8)
    tifffile.imwrite(tmp_path / 'a.tif', planes, imagej=True, metadata=dict(axes='CYX'))
    with pytest.raises(
        UnsupportedError, match=r'a\.tif contains channels as separate planes: save'
    ):
        read_image_slices(tmp_path / 'a.tif')
    tifffile.imwrite(tmp_path / 'b.tif', planes, imagej=True, metadata=dict(axes='ZYX'))
    assert len(read_image_slices(tmp_path / 'b.tif')[0]) == 2


def test_the_spacing_of_a_volume_is_read_once(tmp_path, monkeypatch):
    nibabel = pytest.importorskip('nibabel')
    for name, dtype in (('image', np.int16), ('mask', np.uint8)):
        volume = nibabel.Nifti1Image(np.ones((4, 5, 6), dtype), np.diag([0.5, 0.25, 2, 1]))
        volume.to_filename(tmp_path / f'{name}.nii.gz')
    calls = []
    original = reading.slice_spacing
    monkeypatch.setattr(reading, 'slice_spacing', lambda path: calls.append(path) or original(path))
    slices = [*measure(Pair('a', tmp_path / 'image.nii.gz', tmp_path / 'mask.nii.gz'))]
    assert [one.spacing for one in slices] == [(0.25, 0.5)] * 6
    assert calls == [tmp_path / 'image.nii.gz']

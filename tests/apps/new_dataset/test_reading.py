import numpy as np
import pytest

from mmseg_attn.apps.new_dataset.reading import read_image_slices
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

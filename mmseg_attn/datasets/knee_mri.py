"""Load knee MRI with masks of the patellar ligament, converted from pairs of the user."""

from typing import ClassVar

from mmseg.registry import DATASETS

from ..io import percentile_window
from .base import PreparedSegDataset


@DATASETS.register_module()
class KneeMRIDataset(PreparedSegDataset):
    """Load slices of knee MRI, as ``tools/dataset_converters/knee_mri.py`` writes them.

    Images have one channel: load them with ``color_type='grayscale'``. The CSAM-ResUNet paper
    does not name a release of its 300 images.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=('background', 'patellar ligament'), palette=[[0, 0, 0], [220, 30, 60]]
    )
    PREPARATION = (
        'run python tools/dataset_converters/knee_mri.py SOURCE, or name the converted folder in '
        'KNEE_MRI_ROOT'
    )
    intensity_window = staticmethod(percentile_window)  # of more than 8 bits

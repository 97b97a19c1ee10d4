"""Load the COVID-19 CT segmentation dataset of medicalsegmentation.com: 100 axial slices."""

from typing import ClassVar

from mmseg.registry import DATASETS

from ..io import ct_window
from .base import PreparedSegDataset


@DATASETS.register_module()
class COVID19CTDataset(PreparedSegDataset):
    """Load slices of lung CT, as ``tools/dataset_converters/covid19.py`` writes them.

    Images have one channel: load them with ``color_type='grayscale'``. The classes are those of
    Furukawa & Hotta (arXiv 2112.01702), section IV; pleural effusion counts as "lungs other".
    """

    METAINFO: ClassVar[dict] = dict(
        classes=('background', 'lungs other', 'ground glass', 'consolidation'),
        palette=[[0, 0, 0], [70, 130, 180], [250, 190, 60], [200, 30, 60]],
    )
    PREPARATION = (
        'run python tools/dataset_converters/covid19.py SOURCE, or name the converted folder in '
        'COVID19_ROOT'
    )
    intensity_window = staticmethod(ct_window)  # for values of more than 8 bits

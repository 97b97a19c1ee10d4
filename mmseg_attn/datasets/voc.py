"""Load PASCAL VOC 2012, with a clear error if files are missing."""

from typing import Any, ClassVar

from mmseg.datasets import PascalVOCDataset
from mmseg.registry import DATASETS

from .base import PreparedSegDataset


@DATASETS.register_module()
class CheckedVOCDataset(PreparedSegDataset):
    """Load PASCAL VOC as MMSegmentation does; errors say how to get missing files."""

    METAINFO: ClassVar[dict] = PascalVOCDataset.METAINFO
    PREPARATION = (
        'name the folder VOC2012 of the release in VOC_ROOT and run '
        'python tools/dataset_converters/voc_split.py on it'
    )

    def __init__(self, *, img_suffix: str = '.jpg', **kwargs: Any) -> None:
        super().__init__(img_suffix=img_suffix, **kwargs)

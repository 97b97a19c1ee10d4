"""Load Cityscapes, with a clear error if files are missing."""

from typing import Any, ClassVar

from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS

from .base import PreparedSegDataset


@DATASETS.register_module()
class CheckedCityscapesDataset(PreparedSegDataset, CityscapesDataset):
    """Load Cityscapes as MMSegmentation does; errors say how to get missing files."""

    PREPARATION = (
        'name the folder with leftImg8bit and gtFine in CITYSCAPES_ROOT and run '
        'csCreateTrainIdLabelImgs of cityscapesscripts on it'
    )

    def __init__(self, *, img_suffix: str = '_leftImg8bit.png', **kwargs: Any) -> None:
        super().__init__(img_suffix=img_suffix, **kwargs)


@DATASETS.register_module()
class Cityscapes20Dataset(CheckedCityscapesDataset):
    """Load Cityscapes with the 20th class of the MSANet paper: background, for ignored pixels.

    Load the labels with ``dict(type='LoadStrictAnnotations', num_classes=19, ignored_as=19)``.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=(*CityscapesDataset.METAINFO['classes'], 'background'),
        palette=[*CityscapesDataset.METAINFO['palette'], [0, 0, 0]],
    )

"""Load the Drosophila ssTEM stack of Gerhard et al. (doi:10.6084/m9.figshare.856713)."""

from typing import ClassVar

from mmseg.registry import DATASETS

from .base import PreparedSegDataset


@DATASETS.register_module()
class DrosophilaDataset(PreparedSegDataset):
    """Load crops of the ssTEM stack, as ``tools/dataset_converters/drosophila.py`` writes them.

    Images have one channel: load them with ``color_type='grayscale'``. The classes are those of
    Furukawa & Hotta (arXiv 2112.01702), section IV; the five membrane labels of the stack are
    merged.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=('membrane', 'mitochondria', 'synapse', 'extracellular', 'intracellular'),
        palette=[[68, 1, 84], [33, 145, 140], [220, 30, 60], [240, 150, 50], [253, 243, 205]],
        spacing=(4.6, 4.6),  # between rows and between columns, as the stack's README states it
        spacing_unit='nm',
    )
    PREPARATION = (
        'run python tools/dataset_converters/drosophila.py SOURCE, or name the converted folder in '
        'DROSOPHILA_ROOT'
    )

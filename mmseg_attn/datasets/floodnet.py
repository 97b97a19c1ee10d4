"""Load FloodNet-Supervised_v1.0, aerial images after a hurricane, in the official layout."""

from typing import Any, ClassVar

from mmseg.registry import DATASETS

from .base import PreparedSegDataset


@DATASETS.register_module()
class FloodNetDataset(PreparedSegDataset):
    """Load FloodNet in its official layout.

    The images are ``<split>/<split>-org-img/<id>.jpg``, the masks
    ``<split>/<split>-label-img/<id>_lab.png``. Load the masks with ``LoadStrictAnnotations``: the
    release has a second folder with color images of the labels, and some copies contain values that
    are not a class.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=(
            'Background',
            'Building-flooded',
            'Building-non-flooded',
            'Road-flooded',
            'Road-non-flooded',
            'Water',
            'Tree',
            'Vehicle',
            'Pool',
            'Grass',
        ),
        palette=[
            [0, 0, 0],
            [255, 0, 0],
            [180, 120, 120],
            [160, 150, 20],
            [140, 140, 140],
            [61, 230, 250],
            [0, 82, 255],
            [255, 0, 245],
            [255, 235, 0],
            [4, 250, 7],
        ],
    )
    PREPARATION = 'get the complete FloodNet-Supervised_v1.0 and name its folder in FLOODNET_ROOT'

    def __init__(
        self, *, img_suffix: str = '.jpg', seg_map_suffix: str = '_lab.png', **kwargs: Any
    ) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

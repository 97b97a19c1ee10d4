"""FloodNet-Supervised_v1.0: aerial pictures after a hurricane, in the official layout."""

from pathlib import Path
from typing import ClassVar

from mmengine import fileio
from mmseg.registry import DATASETS

from .base import PreparedSegDataset


@DATASETS.register_module()
class FloodNetDataset(PreparedSegDataset):
    """``<split>/<split>-org-img/<id>.jpg`` with ``<split>/<split>-label-img/<id>_lab.png``.

    Load the labels with ``LoadStrictAnnotations``: the release has a second folder with colour
    pictures of the labels, and copies with stray values are around.
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
    PREPARATION = 'get the complete FloodNet-Supervised_v1.0 and name its folder in data_root'

    def __init__(
        self, *, img_suffix: str = '.jpg', seg_map_suffix: str = '_lab.png', **kwargs
    ) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

    def load_data_list(self) -> list[dict]:
        """List the images of the split and compare them with the labels.

        Returns:
            One dict per image, as MMSegmentation's own data sets give it.

        Raises:
            FileNotFoundError: If a folder, a label or an image is missing.
            ValueError: If the folder of the images holds none.
        """
        data_list = super().load_data_list()
        folder = self.data_prefix.get('seg_map_path')
        if not folder:  # nothing is labelled
            return data_list
        if not fileio.exists(folder, backend_args=self.backend_args):
            raise FileNotFoundError(f'The label folder {folder} is missing: {self.PREPARATION}.')
        found = fileio.list_dir_or_file(
            folder,
            list_dir=False,
            suffix=self.seg_map_suffix,
            recursive=True,
            backend_args=self.backend_args,
        )
        labels = {Path(folder, name) for name in found}
        for info in data_list:
            if Path(info['seg_map_path']) not in labels:
                raise FileNotFoundError(
                    f'{info["img_path"]} has no label {info["seg_map_path"]}: {self.PREPARATION}.'
                )
            labels.remove(Path(info['seg_map_path']))
        if labels and not self.ann_file:
            raise FileNotFoundError(f'{min(labels)} has no image: {self.PREPARATION}.')
        return data_list

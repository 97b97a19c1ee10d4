"""What the data sets of this package share: a clear word when their files are not there."""

from pathlib import Path

from mmengine import fileio
from mmseg.datasets import BaseSegDataset


class PreparedSegDataset(BaseSegDataset):
    """A ``BaseSegDataset`` that says how to get the files it misses.

    MMSegmentation stops with an assertion when a split file is missing and goes on silently with
    no image when it is empty.
    """

    PREPARATION: str = ''  # what the user does to get the data, in the imperative

    def __init__(self, *, img_suffix: str = '.png', **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, **kwargs)

    def load_data_list(self) -> list[dict]:
        """List the images of the split.

        Returns:
            One dict per image, as MMSegmentation's own data sets give it.

        Raises:
            FileNotFoundError: If the split file or the folder of the images is missing.
            ValueError: If the split file or the folder names no image.
        """
        images, split = self.data_prefix['img_path'], Path(self.ann_file)
        if self.ann_file and not split.exists():
            raise FileNotFoundError(f'The split file {split} is missing: {self.PREPARATION}.')
        if not fileio.exists(images, backend_args=self.backend_args):
            raise FileNotFoundError(f'The image folder {images} is missing: {self.PREPARATION}.')
        if split.is_file() and not split.read_text().strip():
            raise ValueError(f'The split file {split} is empty: {self.PREPARATION}.')
        data_list = super().load_data_list()
        if not data_list:
            raise ValueError(f'{images} holds no {self.img_suffix} image: {self.PREPARATION}.')
        return data_list

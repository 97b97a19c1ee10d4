"""Load adjacent slices of a stack as the channels of one image (2.5D)."""

import re
from typing import Any

import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine import fileio
from mmseg.registry import TRANSFORMS

from ...errors import DataError
from ...io import explain
from ...io.numbered import LAST_NUMBER, adjacent_files


@TRANSFORMS.register_module()
class LoadNeighbors(LoadImageFromFile):
    r"""Load a slice with its neighbors in the stack as the channels of one image.

    It takes the place of ``LoadImageFromFile``. The slices of a stack are files in one folder whose
    names differ only in their number, such as ``a_007.png`` and ``a_008.png``. Channels have the
    order of the numbers: the slices below, the slice itself, the slices above. At the ends of the
    stack, and where a number is missing, the last slice is repeated. Slices of several channels
    follow each other with all their channels. Labels are those of the slice itself.

    The model needs ``in_channels``, ``mean`` and ``std`` for each channel.

    Required key: ``img_path``. Added keys: ``img`` ``(H, W, (2 * neighbors + 1) * C)``,
    ``img_shape`` and ``ori_shape``.

    Args:
        neighbors: Number of slices below, and of slices above.
        pattern: Regular expression that is searched in the name of the file without its suffix. Its
            first group is the number of the slice. By default, this is the last number of the name.
            If the number of the crop follows that of the slice, as in ``07_2_0.png``, set
            ``r'^(\d+)_'``.
        **settings: Arguments of ``LoadImageFromFile``.

    Raises:
        DataError: If ``neighbors`` is not positive, or ``pattern`` has no group.
    """

    def __init__(self, *, neighbors: int = 1, pattern: str = LAST_NUMBER, **settings: Any) -> None:
        super().__init__(**settings)
        if not isinstance(neighbors, int) or neighbors < 1:
            raise DataError(f'neighbors of LoadNeighbors is {neighbors}: set a positive integer')
        try:
            groups = re.compile(pattern).groups
        except re.error:
            groups = 0
        if not groups:
            raise DataError(
                f'pattern of LoadNeighbors is {pattern!r}, which is no regular expression with a '
                r'group for the number: write the number as (\d+)'
            )
        self.neighbors = neighbors
        self.pattern = pattern

    def transform(self, results: dict) -> dict | None:
        """Load a slice and its neighbors.

        Args:
            results: ``img_path`` is the file of the slice.

        Returns:
            The same dictionary; ``None`` if the slice is missing and ``ignore_empty`` is set.

        Raises:
            DataError: If a neighbor cannot be read, or has another size.
        """
        path = results['img_path']
        loaded = super().transform(results)
        if loaded is None or not self.neighbors:
            return loaded
        images = {path: loaded['img']}
        files = adjacent_files(path, self.neighbors, exists=self._exists, patterns=[self.pattern])
        for file in files:
            if file not in images:
                images[file] = self._load(file)
                check_neighbor(file, images[file], path, images[path])
        loaded['img'] = np.dstack([images[file] for file in files])
        return loaded

    def _exists(self, file: str) -> bool:
        return fileio.exists(file, backend_args=self.backend_args)

    def _load(self, file: str) -> np.ndarray:
        try:
            neighbor = super().transform(dict(img_path=file))
        except Exception as error:  # decoders raise nearly anything
            data = fileio.get(file, backend_args=self.backend_args)
            raise explain(error, file, data) from error
        if neighbor is None:
            raise DataError(f'{file} cannot be loaded: get it again')
        return neighbor['img']

    def __repr__(self) -> str:
        start = f'{type(self).__name__}(neighbors={self.neighbors}, pattern={self.pattern!r}, '
        return super().__repr__().replace(f'{type(self).__name__}(', start, 1)


def check_neighbor(file: Any, image: np.ndarray, own: Any, slice_image: np.ndarray) -> None:
    """Check that two slices of a stack have the same size, channels and type.

    Args:
        file: The file of the neighbor.
        image: Its image.
        own: The file of the slice.
        slice_image: The image of the slice.

    Raises:
        DataError: If they differ.
    """
    kinds = [f'{"x".join(map(str, x.shape))} {x.dtype}' for x in (image, slice_image)]
    if kinds[0] != kinds[1]:
        raise DataError(
            f'{file} is {kinds[0]}, but its neighbor {own} is {kinds[1]}: slices of a stack have '
            'one size and type, and slices of different stacks different names'
        )

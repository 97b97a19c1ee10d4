"""Load label masks and reject masks that are not label maps."""

from typing import Literal

import numpy as np
from mmengine import fileio
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS

from ...errors import DataError
from ...io import decode_image
from ..rules import COLOR_MASK, IGNORE, PALETTE_MASK, check_size, is_color, is_stray, list_values


@TRANSFORMS.register_module()
class LoadStrictAnnotations(LoadAnnotations):
    """Load label masks as MMSegmentation's ``LoadAnnotations`` does, and check every mask.

    The original accepts any value as a class, reads a color image as three layers, and reads an
    image with a color palette as the indices of its colors. Required key: ``seg_map_path``; without
    it, as in inference, the transform does nothing. Added keys: ``gt_seg_map`` and its name in
    ``seg_fields``.

    Args:
        num_classes: Number of classes. Masks contain the labels 0 to ``num_classes - 1``, and 255
            for ignored pixels.
        stray: Whether to refuse a mask with other values, or to ignore these pixels.
        color: Whether to refuse a color image, or to ignore all its pixels.
        palette: Whether masks have a palette whose indices are the labels, as in PASCAL VOC.
            Otherwise such a mask is treated as a color image.
        ignored_as: The class that ignored pixels become; with ``None``, they stay ignored.
        backend_args: File backend, as in MMEngine.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        stray: Literal['refuse', 'ignore'] = 'refuse',
        color: Literal['refuse', 'ignore'] = 'refuse',
        palette: bool = False,
        ignored_as: int | None = None,
        backend_args: dict | None = None,
    ) -> None:
        for name, value in dict(stray=stray, color=color).items():
            if value not in ('refuse', 'ignore'):
                raise ValueError(f"{name} is {value!r}: choose 'refuse' or 'ignore'")
        if num_classes > IGNORE:
            raise ValueError(
                f'num_classes is {num_classes}, but 8-bit masks support at most {IGNORE}: merge '
                'some classes'
            )
        super().__init__(backend_args=backend_args)
        self.num_classes = num_classes
        self.stray = stray
        self.color = color
        self.palette = palette
        self.ignored_as = ignored_as

    def _load_seg_map(self, results: dict) -> None:
        path = results.get('seg_map_path')
        if path is None:
            return
        labels = self._labels(path)
        check_size(labels, path, results.get('ori_shape'))
        results['gt_seg_map'] = self._mapping(results)[labels]
        results['seg_fields'].append('gt_seg_map')

    def _labels(self, path: str) -> np.ndarray:
        """Decode a mask to (H, W), uint8, with known labels and 255 only."""
        data = fileio.get(path, backend_args=self.backend_args)
        pixels, mode = decode_image(data, name=path)
        if is_color(pixels, mode, palette=self.palette):
            if self.color == 'refuse':
                remedy = f"{COLOR_MASK}; color='ignore' ignores all pixels of such a mask"
                if mode == 'P':
                    remedy = f'{PALETTE_MASK}; otherwise {remedy}'
                raise DataError(
                    f'{path} is a color image (mode {mode}), not a mask of labels: {remedy}'
                )
            return np.full(pixels.shape[:2], IGNORE, dtype=np.uint8)
        stray = is_stray(pixels, self.num_classes)
        if not stray.any():
            return pixels.astype(np.uint8)
        if self.stray == 'refuse':
            values, counts = np.unique(pixels[stray], return_counts=True)
            pixels_of = dict(zip(values.tolist(), counts.tolist(), strict=True))
            raise DataError(
                f'{path} contains values that are not labels: {list_values(pixels_of)}; the labels '
                f'are 0 to {self.num_classes - 1} and {IGNORE}: correct the mask, or set '
                "stray='ignore' to ignore these pixels"
            )
        labels = np.full(pixels.shape, IGNORE, dtype=np.uint8)
        labels[~stray] = pixels[~stray]
        return labels

    def _mapping(self, results: dict) -> np.ndarray:
        """Return the class of each label, (256,)."""
        mapping = np.arange(256, dtype=np.uint8)
        if results.get('reduce_zero_label'):
            mapping[1:IGNORE] -= 1
            mapping[0] = IGNORE
        old = mapping.copy()
        for label, new in (results.get('label_map') or {}).items():
            mapping[old == label] = new
        if self.ignored_as is not None:
            mapping[mapping == IGNORE] = self.ignored_as
        return mapping

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(num_classes={self.num_classes}, stray={self.stray!r}, '
            f'color={self.color!r}, palette={self.palette}, ignored_as={self.ignored_as})'
        )

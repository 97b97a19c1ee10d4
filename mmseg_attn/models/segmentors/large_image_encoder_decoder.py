"""Sliding-window inference on large images in little memory."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from ..label_rule import LabelRule

Inputs = Any  # a tensor, or an object with its shape, type and device that reads windows
UNIFORM, GAUSSIAN = BLENDS = 'uniform', 'gaussian'


@MODELS.register_module()
class LargeImageEncoderDecoder(EncoderDecoder):
    """Predict like ``EncoderDecoder``, but with little memory in ``mode='slide'``.

    Windows, sums and predictions are the same. The original pads every window to the size of the
    image and needs several maps of this size. Here a row of windows is summed in place, and rows of
    pixels that no later window covers are completed.

    With ``test_cfg.keep_logits=False``, the default, only the labels of completed rows are kept, so
    that the logits of only one row of windows exist at a time. This is sufficient for metrics and
    drawings of labels. Metrics of probabilities, ``LossMetric`` and test-time augmentation need
    ``keep_logits=True``, which keeps the logits of whole images. They are also kept where they have
    to be resized to the size of the file.

    With ``test_cfg.blend='gaussian'``, a window counts most in its middle, where the network sees
    the surroundings of a pixel on all sides: its logits are weighted with a Gaussian whose standard
    deviation is an eighth of the window, as in nnU-Net (Isensee et al., Nature Methods 2021).
    ``'uniform'``, the default, is MMSegmentation's mean.

    ``test_cfg.window_batch`` windows of a row are a batch of the network; by default, each is one.
    """

    def predict(
        self, inputs: Tensor, data_samples: list[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        """Predict labels, and logits as described in the class.

        Args:
            inputs: Preprocessed images ``(N, C, H, W)``.
            data_samples: One sample per image, or ``None``.

        Returns:
            The samples with ``pred_sem_seg`` and, if the logits are kept, ``seg_logits``.
        """
        samples = data_samples or [SegDataSample() for _ in inputs]
        if not self.in_bands(inputs, samples):
            return super().predict(inputs, data_samples)
        bands = self.bands(inputs, [sample.metainfo for sample in samples])
        labels = torch.cat([self._labels(band) for band in bands], dim=2)
        for sample, prediction in zip(samples, labels, strict=True):
            sample.set_data(dict(pred_sem_seg=PixelData(data=prediction)))
        return samples

    def in_bands(self, inputs: Tensor, samples: Sequence[SegDataSample]) -> bool:
        """Tell whether only labels are kept, band by band."""
        cfg, size = self.test_cfg or {}, tuple(inputs.shape[2:])
        return (
            cfg.get('mode') == 'slide'
            and not cfg.get('keep_logits', False)
            and all(_is_plain(sample.metainfo, size) for sample in samples)
        )

    def slide_inference(self, inputs: Tensor, batch_img_metas: Sequence[dict]) -> Tensor:
        """Compute the logits of whole images.

        Args:
            inputs: Preprocessed images ``(N, C, H, W)``.
            batch_img_metas: Meta data of each image.

        Returns:
            Logits ``(N, out_channels, H, W)``.
        """
        logits = inputs.new_empty(len(inputs), self.out_channels, *inputs.shape[2:])
        top = 0
        for band in self.bands(inputs, batch_img_metas):
            logits[:, :, top : top + band.shape[2]] = band
            top += band.shape[2]
        return logits

    def bands(self, inputs: Inputs, metas: Sequence[dict]) -> Iterator[Tensor]:
        """Yield the mean logits of bands of complete rows, from the top.

        Args:
            inputs: Preprocessed images ``(N, C, H, W)``, or an object that reads their windows.
            metas: Meta data of each image.

        Yields:
            Logits ``(N, out_channels, rows, W)``; 0 where no window has any data.
        """
        sizes = inputs.shape[2:]
        rows, columns = (
            _place_windows(*side)
            for side in zip(sizes, self.test_cfg.crop_size, self.test_cfg.stride, strict=True)
        )
        blend = self.test_cfg.get('blend', UNIFORM)
        profiles = [_profile(windows[0].stop, inputs, blend) for windows in (rows, columns)]
        weights = None if blend == UNIFORM else profiles[0][:, None] * profiles[1]
        counts = [inputs.new_zeros(size) for size in sizes]
        for count, windows, profile in zip(counts, (rows, columns), profiles, strict=True):
            for window in windows:
                count[window] += profile
        tops = [window.start for window in rows] + [sizes[0]]
        height = rows[0].stop
        sums = inputs.new_zeros(len(inputs), self.out_channels, height, sizes[1])
        for row, next_top in zip(rows, tops[1:], strict=True):
            for column, logits in self._windows(inputs, row, columns, metas):
                sums[..., column] += logits if weights is None else logits * weights
            done = next_top - row.start
            count = counts[0][row.start : next_top, None] * counts[1]
            yield sums[:, :, :done] / count
            if next_top < sizes[0]:  # move up the rows that the next windows cover
                sums[:, :, : height - done] = sums[:, :, done:].clone()
                sums[:, :, height - done :] = 0

    def _windows(
        self, inputs: Inputs, row: slice, columns: Sequence[slice], metas: Sequence[dict]
    ) -> Iterator[tuple[slice, Tensor]]:
        """Yield the columns and the logits of the windows of a row, except for those without data.

        The network computes ``window_batch`` windows at a time.
        """
        number = self.test_cfg.get('window_batch', 1)
        for first in range(0, len(columns), number):
            found = []
            for column in columns[first : first + number]:
                crop = inputs[:, :, row, column]
                if crop is not None:
                    found.append((column, crop))
            if not found:
                continue
            here = [dict(meta, img_shape=found[0][1].shape[2:]) for meta in metas]
            if len(found) == 1:
                column, crop = found[0]
                yield column, self.encode_decode(crop, here)
                continue
            crops = torch.cat([crop for _, crop in found])
            logits = self.encode_decode(crops, here * len(found)).split(len(inputs))
            yield from zip((column for column, _ in found), logits, strict=True)

    def _labels(self, logits: Tensor) -> Tensor:
        """Convert logits ``(N, C, H, W)`` to labels ``(N, 1, H, W)``."""
        rule = LabelRule.of(self)
        labels = rule.labels(logits)
        return labels if rule.channels > 1 else labels.to(logits)  # the types of the original


def _profile(size: int, like: Inputs, blend: str) -> Tensor:
    """Return the weights of the rows or columns of a window, ``(size,)``, at most 1."""
    if blend == UNIFORM:
        return like.new_ones(size)
    positions = torch.arange(size, dtype=torch.float32, device=like.device)
    offsets = (positions - (size - 1) / 2) / (size / 8)
    return torch.exp(-(offsets**2) / 2).to(like.dtype)


def _place_windows(size: int, crop: int, stride: int) -> list[slice]:
    """Place windows along a side like MMSegmentation; the last one ends at the edge.

    Raises:
        ValueError: If there would be pixels without a window.
    """
    if stride > crop:
        raise ValueError(
            f'test_cfg has crop_size {crop} and stride {stride}, which leaves pixels without a '
            'window: set stride to crop_size or less'
        )
    count = max(size - crop + stride - 1, 0) // stride + 1
    ends = [min(i * stride + crop, size) for i in range(count)]
    return [slice(max(end - crop, 0), end) for end in ends]


def _is_plain(meta: dict, size: tuple[int, ...]) -> bool:
    """Tell whether the network's input has the size of the file, without flips and padding."""
    padding = meta.get('img_padding_size', meta.get('padding_size', [0] * 4))
    original = tuple(meta.get('ori_shape', size))[:2]
    return 'flip' not in meta and not any(padding) and original == size

"""Sliding windows over images that are much larger than a window."""

from collections.abc import Iterator, Sequence

import torch
from mmengine.structures import PixelData
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from ..label_rule import LabelRule


@MODELS.register_module()
class LargeImageEncoderDecoder(EncoderDecoder):
    """MMSegmentation's ``EncoderDecoder`` whose ``mode='slide'`` needs little memory.

    The windows, the sums and the predictions are the same. The original adds every window as a map
    of the size of the image and divides into another one. Here a row of windows is summed in place,
    and what no later window touches is finished.

    With ``test_cfg.keep_logits=False``, the default, only the labels of what is finished are kept,
    so that the logits of one row of windows are all that there are. That serves metrics and
    pictures of labels. The logits of whole images are kept for what asks for them: with
    ``keep_logits=True`` (``LossMetric``), for several versions of an image that are merged
    (test-time augmentation), and where they have to be resized to the size of the file.
    """

    def predict(
        self, inputs: Tensor, data_samples: list[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        """Predict; see the class for which of ``seg_logits`` and ``pred_sem_seg`` there are.

        Args:
            inputs: Preprocessed images ``(N, C, H, W)``.
            data_samples: One per image, or ``None``.
        """
        samples = data_samples or [SegDataSample() for _ in inputs]
        cfg, size = self.test_cfg or {}, tuple(inputs.shape[2:])
        if (
            cfg.get('mode') != 'slide'
            or cfg.get('keep_logits', False)
            or not all(_is_plain(sample.metainfo, size) for sample in samples)
        ):
            return super().predict(inputs, data_samples)
        bands = self._bands(inputs, [sample.metainfo for sample in samples])
        labels = torch.cat([self._labels(band) for band in bands], dim=2)
        for sample, each in zip(samples, labels, strict=True):
            sample.set_data(dict(pred_sem_seg=PixelData(data=each)))
        return samples

    def slide_inference(self, inputs: Tensor, batch_img_metas: Sequence[dict]) -> Tensor:
        """Compute the logits of whole images.

        Args:
            inputs: Preprocessed images ``(N, C, H, W)``.
            batch_img_metas: What is known of each image.

        Returns:
            ``(N, out_channels, H, W)``.
        """
        logits = inputs.new_empty(len(inputs), self.out_channels, *inputs.shape[2:])
        top = 0
        for band in self._bands(inputs, batch_img_metas):
            logits[:, :, top : top + band.shape[2]] = band
            top += band.shape[2]
        return logits

    def _bands(self, inputs: Tensor, metas: Sequence[dict]) -> Iterator[Tensor]:
        """Yield the mean logits of all rows of the image, from the top, some at a time."""
        sizes = inputs.shape[2:]
        rows, columns = (
            _windows(*each)
            for each in zip(sizes, self.test_cfg.crop_size, self.test_cfg.stride, strict=True)
        )
        counts = [inputs.new_zeros(size) for size in sizes]
        for count, windows in zip(counts, (rows, columns), strict=True):
            for window in windows:
                count[window] += 1
        tops = [window.start for window in rows] + [sizes[0]]
        height = rows[0].stop
        sums = inputs.new_zeros(len(inputs), self.out_channels, height, sizes[1])
        for row, next_top in zip(rows, tops[1:], strict=True):
            for column in columns:
                crop = inputs[:, :, row, column]
                here = [dict(meta, img_shape=crop.shape[2:]) for meta in metas]
                sums[..., column] += self.encode_decode(crop, here)
            done = next_top - row.start
            count = counts[0][row.start : next_top, None] * counts[1]
            yield sums[:, :, :done] / count
            if next_top < sizes[0]:  # what the next row of windows adds to moves up
                sums[:, :, : height - done] = sums[:, :, done:].clone()
                sums[:, :, height - done :] = 0

    def _labels(self, logits: Tensor) -> Tensor:
        """Classify: ``(N, C, H, W)`` to ``(N, 1, H, W)``."""
        rule = LabelRule.of(self)
        labels = rule.labels(logits)
        return labels if rule.channels > 1 else labels.to(logits)  # the types of the original


def _windows(size: int, crop: int, stride: int) -> list[slice]:
    """Place windows along a side as MMSegmentation does; the last ends with the image.

    Raises:
        ValueError: If there would be pixels between the windows.
    """
    if stride > crop:
        raise ValueError(
            f'test_cfg has windows of {crop} pixels at a stride of {stride}, which leaves pixels '
            'between them: set stride to crop_size or less'
        )
    count = max(size - crop + stride - 1, 0) // stride + 1
    ends = [min(i * stride + crop, size) for i in range(count)]
    return [slice(max(end - crop, 0), end) for end in ends]


def _is_plain(meta: dict, size: tuple[int, ...]) -> bool:
    """Whether the labels of the network's input are those of the file."""
    padding = meta.get('img_padding_size', meta.get('padding_size', [0] * 4))
    original = tuple(meta.get('ori_shape', size))[:2]
    return 'flip' not in meta and not any(padding) and original == size

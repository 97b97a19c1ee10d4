"""Count the sliding windows of an image."""

from collections.abc import Callable, Hashable, Sequence

from torch import Tensor, nn


class WindowCount:
    """Count the windows of an image in the passes through the backbone.

    Args:
        segmentor: The model.

    Attributes:
        watch: Called after every window with the key of the image, the index of the window, which
            starts at 1, and the number of windows.
    """

    def __init__(self, segmentor: nn.Module) -> None:
        self.test_cfg = segmentor.test_cfg or {}
        self.watch: Callable[[Hashable, int, int], None] | None = None
        self.key: Hashable = None
        self.done = self.total = 0
        self.images = 1
        segmentor.backbone.register_forward_hook(self._count)

    def start(self, key: Hashable, shapes: Sequence[Sequence[int]], images: int = 1) -> None:
        """Start the count for an image or a batch.

        Args:
            key: The key of the image.
            shapes: (C, H, W) of all versions of the image that the model receives.
            images: Number of images in the batch.
        """
        self.key, self.done, self.images = key, 0, images
        self.total = sum(self._windows(*shape[-2:]) for shape in shapes)

    def _windows(self, height: int, width: int) -> int:
        """Compute the number of windows, as MMSegmentation places them."""
        if self.test_cfg.get('mode') != 'slide':
            return 1
        count = 1
        for side, crop, stride in zip(
            (height, width), self.test_cfg['crop_size'], self.test_cfg['stride'], strict=True
        ):
            count *= max(side - crop + stride - 1, 0) // stride + 1
        return count

    def _count(self, _: nn.Module, inputs: tuple[Tensor, ...], *__) -> None:
        if self.total < 2:
            return
        self.done += len(inputs[0]) // self.images
        if self.watch is not None:
            self.watch(self.key, min(self.done, self.total), self.total)

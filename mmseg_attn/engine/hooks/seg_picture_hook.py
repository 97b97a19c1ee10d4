"""Draw predictions of a test into the folder of ``--show-dir``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmengine import fileio
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from mmseg.engine.hooks import SegVisualizationHook
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample

from ...datasets.nested_datasets import nested_datasets
from ...errors import DataError
from ...io import read_images
from ...visualization.drawable import drawable
from ...visualization.seg_comparison_visualizer import SegComparisonVisualizer


@HOOKS.register_module()
class SegPictureHook(SegVisualizationHook):
    """Draw like MMSegmentation's ``SegVisualizationHook``, but all images, and into ``--show-dir``.

    In a test with ``--show-dir DIR``, the drawing of the image ``a.jpg`` is ``DIR/a.png`` and not
    ``DIR/vis_data/vis_image/test_a.jpg_0.png``; an image in a subfolder of the dataset keeps it:
    ``DIR/folder/a.png``. With several processes, each draws its images; with another visualizer
    than ``SegComparisonVisualizer``, only the first process draws.

    Of images with three or more channels the first three are drawn as red, green and blue; others
    are drawn in gray. The range of values of images with more than 8 bits is scaled to 8 bits.

    Args:
        draw: Whether to draw; ``--show`` and ``--show-dir`` set it.
        interval: Every which batch is drawn; MMSegmentation's hook draws every 50th.
        kwargs: The other arguments of MMSegmentation's hook.
    """

    def __init__(self, draw: bool = False, interval: int = 1, **kwargs: Any) -> None:
        super().__init__(
            draw=True, interval=interval, **kwargs
        )  # the base class warns if it does not draw
        self.draw = draw

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[SegDataSample] = (),
    ) -> None:
        """Draw the samples of a validation batch."""
        self._draw(runner, batch_idx, outputs, 'val')

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[SegDataSample] = (),
    ) -> None:
        """Draw the samples of a test batch."""
        self._draw(runner, batch_idx, outputs, 'test')

    def _draw(
        self, runner: Runner, batch_idx: int, outputs: Sequence[SegDataSample], mode: str
    ) -> None:
        if not (self.draw and self.every_n_inner_iters(batch_idx, self.interval)):
            return
        settings = runner.cfg.get('visualizer')
        folder = settings.get('save_dir') if isinstance(settings, dict) else None
        if mode == 'test' and folder and not self.show:
            dataset = runner.test_dataloader.dataset
            image_folders = _image_folders(dataset)
            for sample in outputs:
                path = Path(folder, _relative(sample.img_path, image_folders)).with_suffix('.png')
                self._write(sample, dataset.metainfo, path)
            return
        loop = runner._train_loop  # runner.iter would build the training set for a mere test
        for sample in outputs:
            self._visualizer.add_datasample(
                f'{mode}_{Path(sample.img_path).name}',
                self._image(sample.img_path),
                data_sample=sample,
                show=self.show,
                wait_time=self.wait_time,
                step=loop.iter if isinstance(loop, BaseLoop) else 0,
            )

    def _write(self, sample: SegDataSample, metainfo: dict, path: Path) -> None:
        image = self._image(sample.img_path)
        if isinstance(self._visualizer, SegComparisonVisualizer):
            drawn = self._visualizer.draw(image, sample, metainfo)
            mmcv.imwrite(drawn[..., ::-1], str(path))
        else:
            self._visualizer.add_datasample(path.stem, image, sample, out_file=str(path))

    def _image(self, path: str) -> np.ndarray:
        """Read an image and convert it to ``(H, W, 3)``, uint8, in RGB."""
        data = fileio.get(path, backend_args=self.backend_args)
        try:
            return drawable(read_images(data, name=path)[0].visible(path))
        except DataError:
            loaded = mmcv.imfrombytes(data, flag='unchanged')
            if loaded is None:
                raise
            return drawable(loaded, bgr=True)


def _image_folders(dataset: Any) -> list[Path]:
    """List the image folders of a dataset and of the datasets that it wraps."""
    prefixes = [getattr(inner, 'data_prefix', None) or {} for inner in nested_datasets(dataset)]
    return [Path(prefix['img_path']) for prefix in prefixes if prefix.get('img_path')]


def _relative(image: str, folders: list[Path]) -> Path:
    """Return the path of an image relative to its folder; only its name if no folder fits."""
    for folder in folders:
        if Path(image).is_relative_to(folder) and '..' not in Path(image).parts:
            return Path(image).relative_to(folder)
    return Path(Path(image).name)

"""Pictures of a test, in the folder that the user names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmengine import fileio
from mmengine.runner import Runner
from mmseg.engine.hooks import SegVisualizationHook
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample

from ...datasets.conversion import ConversionError, read_images
from ...visualization.drawable import drawable


@HOOKS.register_module()
class SegPictureHook(SegVisualizationHook):
    """MMSegmentation's ``SegVisualizationHook`` for images of any kind, in ``--show-dir`` itself.

    In a test with ``--show-dir DIR`` the picture of ``a.jpg`` is ``DIR/a.png``, not
    ``DIR/vis_data/vis_image/test_a.jpg_0.png``. Images of three and more channels are drawn with
    the first three as red, green and blue, others in gray; of more than 8 bits, the range of the
    values is drawn. All else is the same.

    Args:
        draw: Whether to draw; ``--show`` and ``--show-dir`` set it.
        kwargs: What MMSegmentation's hook takes.
    """

    def __init__(self, draw: bool = False, **kwargs) -> None:
        super().__init__(draw=True, **kwargs)  # it warns of the usual, which is not to draw
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
        for sample in outputs:
            image, path = self._image(sample.img_path), Path(sample.img_path)
            if mode == 'test' and folder and not self.show:
                out_file = str(Path(folder, f'{path.stem}.png'))
                self._visualizer.add_datasample(path.stem, image, sample, out_file=out_file)
            else:
                self._visualizer.add_datasample(
                    f'{mode}_{path.name}',
                    image,
                    data_sample=sample,
                    show=self.show,
                    wait_time=self.wait_time,
                    step=runner.iter,
                )

    def _image(self, path: str) -> np.ndarray:
        """Read an image as it can be drawn: (H, W, 3), uint8, in RGB."""
        data = fileio.get(path, backend_args=self.backend_args)
        try:
            return drawable(read_images(data, name=path)[0].visible(path))
        except ConversionError:
            loaded = mmcv.imfrombytes(data, flag='unchanged')
            if loaded is None:
                raise
            return drawable(loaded, bgr=True)

"""Pictures of a test, in the folder that the user names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmcv
from mmengine.runner import Runner
from mmseg.engine.hooks import SegVisualizationHook
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample


@HOOKS.register_module()
class SegPictureHook(SegVisualizationHook):
    """MMSegmentation's ``SegVisualizationHook``, but ``--show-dir`` holds the pictures themselves.

    In a test with ``--show-dir DIR`` the picture of ``a.jpg`` is ``DIR/a.png``, not
    ``DIR/vis_data/vis_image/test_a.jpg_0.png``. All else is the same.

    Args:
        draw: Whether to draw; ``--show`` and ``--show-dir`` set it.
        kwargs: What MMSegmentation's hook takes.
    """

    def __init__(self, draw: bool = False, **kwargs) -> None:
        super().__init__(draw=True, **kwargs)  # it warns of the usual, which is not to draw
        self.draw = draw

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[SegDataSample] = (),
    ) -> None:
        """Draw the samples of a batch."""
        settings = runner.cfg.get('visualizer')
        folder = settings.get('save_dir') if isinstance(settings, dict) else None
        if self.show or not folder:
            super().after_test_iter(runner, batch_idx, data_batch, outputs)
        elif self.draw and self.every_n_inner_iters(batch_idx, self.interval):
            for sample in outputs:
                image = mmcv.imread(
                    sample.img_path, channel_order='rgb', backend_args=self.backend_args
                )
                name = Path(sample.img_path).stem
                out_file = str(Path(folder, f'{name}.png'))
                self._visualizer.add_datasample(name, image, sample, out_file=out_file)

"""Images of a test's predictions, in the folder that the user names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmcv
from mmengine.runner import Runner
from mmseg.engine.hooks import SegVisualizationHook
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample

from ...datasets.nested_datasets import nested_datasets
from ...visualization.seg_comparison_visualizer import SegComparisonVisualizer


@HOOKS.register_module()
class SegPictureHook(SegVisualizationHook):
    """Draw like MMSegmentation's ``SegVisualizationHook``, but into ``--show-dir`` itself.

    In a test with ``--show-dir DIR``, what is drawn of the image ``a.jpg`` is ``DIR/a.png``, not
    ``DIR/vis_data/vis_image/test_a.jpg_0.png``; if the dataset has the image in a folder, that
    stays: ``DIR/folder/a.png``. With several processes, each draws its images; with another
    visualizer than ``SegComparisonVisualizer``, only the first process draws.

    All else is the same.

    Args:
        draw: Whether to draw; ``--show`` and ``--show-dir`` set it.
        kwargs: The other arguments of MMSegmentation's hook.
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
            dataset = runner.test_dataloader.dataset
            image_folders = _image_folders(dataset)
            for sample in outputs:
                path = Path(folder, _relative(sample.img_path, image_folders)).with_suffix('.png')
                self._write(sample, dataset.metainfo, path)

    def _write(self, sample: SegDataSample, metainfo: dict, path: Path) -> None:
        image = mmcv.imread(sample.img_path, channel_order='rgb', backend_args=self.backend_args)
        if isinstance(self._visualizer, SegComparisonVisualizer):
            drawn = self._visualizer.draw(image, sample, metainfo)
            mmcv.imwrite(drawn[..., ::-1], str(path))
        else:
            self._visualizer.add_datasample(path.stem, image, sample, out_file=str(path))


def _image_folders(dataset: Any) -> list[Path]:
    """List the folders of images of a dataset and of those that it wraps."""
    prefixes = [getattr(each, 'data_prefix', None) or {} for each in nested_datasets(dataset)]
    return [Path(prefix['img_path']) for prefix in prefixes if prefix.get('img_path')]


def _relative(image: str, folders: list[Path]) -> Path:
    """Return the path of an image below its folder; its name, if it is in none of them."""
    for folder in folders:
        if Path(image).is_relative_to(folder) and '..' not in Path(image).parts:
            return Path(image).relative_to(folder)
    return Path(Path(image).name)

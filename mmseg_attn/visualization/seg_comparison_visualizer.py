"""Pictures to look at: image, ground truth and prediction side by side, with a legend."""

from collections.abc import Mapping, Sequence

import mmcv
import numpy as np
from mmengine.dist import master_only
from mmseg.registry import VISUALIZERS
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer
from PIL import Image, ImageDraw, ImageFont

_FONT_SIZE = 14  # pixels, in panels of 512 and less
_MARGIN = 6  # pixels


@VISUALIZERS.register_module()
class SegComparisonVisualizer(SegLocalVisualizer):
    """Draws panels in a row and the classes under them.

    MMSegmentation's ``SegLocalVisualizer`` writes class names into the masks, which hides small
    structures; here the names stand in a legend.

    Args:
        name: name of the instance.
        alpha: opacity of the classes' colours over the image.
        panel_size: longer side of a panel in pixels.
        kwargs: what MMSegmentation's ``SegLocalVisualizer`` takes.
    """

    def __init__(
        self, name: str = 'visualizer', *, alpha: float = 0.5, panel_size: int = 512, **kwargs
    ):
        super().__init__(name, alpha=alpha, **kwargs)
        self.panel_size = panel_size

    @classmethod
    def get_instance(cls, name: str, **kwargs) -> 'SegComparisonVisualizer':
        """Return the instance of a name, also to MMSegmentation 1.1, which asks its own class."""
        instance = super().get_instance(name, **kwargs)
        SegLocalVisualizer._instance_dict[name] = instance
        return instance

    @master_only
    def add_datasample(
        self,
        name: str,
        image: np.ndarray,
        data_sample: SegDataSample | None = None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        out_file: str | None = None,
        step: int = 0,
        **kwargs,
    ) -> None:
        """Draw one sample and show it, write it to ``out_file`` or hand it to the backends.

        Args:
            name: name of the picture.
            image: RGB or grey image ``(H, W, 3)``, ``(H, W, 1)`` or ``(H, W)``.
            data_sample: holds ``gt_sem_seg``, ``pred_sem_seg`` or both.
            draw_gt: whether to draw the ground truth, where there is one.
            draw_pred: whether to draw the prediction, where there is one.
            show: whether to open a window.
            wait_time: seconds that the window stays; 0 waits for a key.
            out_file: file to write instead of handing the picture to the backends.
            step: iteration, for the backends.
            kwargs: other arguments of MMSegmentation's visualizer; they change nothing.
        """
        drawn = self.draw(
            image, data_sample, self.dataset_meta, draw_gt=draw_gt, draw_pred=draw_pred
        )
        self.set_image(drawn)
        if show:
            self.show(drawn, win_name=name, wait_time=wait_time)
        if out_file is not None:
            mmcv.imwrite(drawn[..., ::-1], out_file)
        else:
            self.add_image(name, drawn, step)

    def draw(
        self,
        image: np.ndarray,
        data_sample: SegDataSample | None,
        metainfo: Mapping,
        *,
        draw_gt: bool = True,
        draw_pred: bool = True,
    ) -> np.ndarray:
        """Draw one sample, on any rank; MMEngine tells ``dataset_meta`` to the first one only.

        Args:
            image: RGB or gray image ``(H, W, 3)``, ``(H, W, 1)`` or ``(H, W)``.
            data_sample: Holds ``gt_sem_seg``, ``pred_sem_seg`` or both.
            metainfo: The ``classes`` of the dataset, and its ``palette``, an RGB color for each.
            draw_gt: Whether to draw the ground truth, where there is one.
            draw_pred: Whether to draw the prediction, where there is one.

        Returns:
            RGB panels and the legend ``(height, width, 3)``, uint8.
        """
        size = image.shape[:2]
        image = np.broadcast_to(image.reshape(*size, -1), (*size, 3))
        panels = {'image': image}
        for wanted, title, field in (
            (draw_gt, 'ground truth', 'gt_sem_seg'),
            (draw_pred, 'prediction', 'pred_sem_seg'),
        ):
            if wanted and data_sample is not None and field in data_sample:
                mask = data_sample.get(field).cpu().numpy().data
                panels[title] = self._overlay(image, mask, metainfo['palette'])
        return self._arrange(panels, metainfo)

    def _overlay(self, image: np.ndarray, mask: np.ndarray, palette: Sequence) -> np.ndarray:
        """Blend the classes' colours over the image; pixels of no class stay as they are."""
        mask = mask.reshape(mask.shape[-2:])
        if mask.shape != image.shape[:2]:
            mask = mmcv.imresize(mask.astype(np.uint8), image.shape[1::-1], interpolation='nearest')
        palette = np.asarray(palette)
        drawn = image.copy()
        known = mask < len(palette)
        colours = palette[mask[known]]
        drawn[known] = (1 - self.alpha) * image[known] + self.alpha * colours
        return drawn

    def _arrange(self, panels: dict[str, np.ndarray], metainfo: Mapping) -> np.ndarray:
        """Put the panels in a row with a title above each, and the legend below."""
        font_size = max(_FONT_SIZE, _FONT_SIZE * self.panel_size // 512)
        font = ImageFont.load_default(font_size)
        line = font_size + 2 * _MARGIN
        height, width = next(iter(panels.values())).shape[:2]
        scale = self.panel_size / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        column = max(size[0], *(round(font.getlength(title)) for title in panels))
        classes = zip(metainfo['classes'], metainfo['palette'], strict=True)
        entries = [
            (text, tuple(colour), font_size + round(font.getlength(text)) + 4 * _MARGIN)
            for text, colour in classes
        ]
        row_width = len(panels) * (column + _MARGIN) + _MARGIN
        row_width = max(row_width, *(entry_width + _MARGIN for *_, entry_width in entries))

        legend, x, y = [], _MARGIN, line + size[1] + _MARGIN
        for text, colour, entry_width in entries:
            if legend and x + entry_width > row_width:
                x, y = _MARGIN, y + line
            legend.append((x, y, text, colour))
            x += entry_width

        canvas = Image.new('RGB', (row_width, y + line), 'white')
        draw = ImageDraw.Draw(canvas)
        for i, (title, panel) in enumerate(panels.items()):
            left = _MARGIN + i * (column + _MARGIN)
            draw.text((left, _MARGIN), title, 'black', font)
            canvas.paste(Image.fromarray(panel).resize(size), (left, line))
        for x, y, text, colour in legend:
            box = (x, y, x + font_size, y + font_size)
            draw.rectangle(box, fill=colour, outline='black')
            draw.text((x + font_size + _MARGIN, y - 2), text, 'black', font)
        return np.asarray(canvas)

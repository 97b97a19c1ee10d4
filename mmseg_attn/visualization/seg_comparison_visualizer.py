"""Draw image, ground truth and prediction side by side, with a legend."""

from collections.abc import Mapping, Sequence
from typing import Any

import mmcv
import numpy as np
from mmengine.dist import master_only
from mmseg.registry import VISUALIZERS
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer
from PIL import Image, ImageDraw, ImageFont

from .drawable import drawable

_FONT_SIZE = 14  # pixels, in panels of up to 512 pixels
_MARGIN = 6  # pixels


def _font(size: int) -> ImageFont.FreeTypeFont:
    """Load a font of a size in pixels; Pillow before 10.1 has no scalable font."""
    from matplotlib import get_data_path

    return ImageFont.truetype(f'{get_data_path()}/fonts/ttf/DejaVuSans.ttf', size)


def _gray(image: np.ndarray) -> np.ndarray:
    """Return the luminance of an RGB image ``(H, W, 3)``."""
    return image @ np.array([0.299, 0.587, 0.114])


def _borders(mask: np.ndarray, width: int) -> np.ndarray:
    """Find pixels with a different label within ``width`` pixels in their row or column."""
    borders = np.zeros(mask.shape, dtype=bool)
    for step in range(1, width + 1):
        for axis in (0, 1):
            here, there = (
                [slice(None)] * axis + [part] for part in (slice(None, -step), slice(step, None))
            )
            different = mask[tuple(here)] != mask[tuple(there)]
            borders[tuple(here)] |= different
            borders[tuple(there)] |= different
    return borders


def _tinted(metainfo: Mapping) -> np.ndarray:
    """Tell which classes are drawn in a color, ``(C,)``: not background, not black."""
    named = [str(name).strip('_').lower() for name in metainfo['classes']]
    is_color = np.asarray(metainfo['palette']).any(axis=1)
    return is_color & np.array([name != 'background' for name in named])


@VISUALIZERS.register_module()
class SegComparisonVisualizer(SegLocalVisualizer):
    """Draw panels in a row, with a legend of the classes below.

    MMSegmentation's ``SegLocalVisualizer`` writes class names into the masks, which hides small
    structures; here the names are in a legend. The image is gray below the color of a class, since
    the colors of a photo would change it. Each region has an outline in the full color of its
    class, and the legend shows the outline and the color as it appears on the image. The background
    is a class of this name, or one whose color is black; there the image stays unchanged.

    Args:
        name: Name of the instance.
        alpha: Opacity of the classes' colors over the image.
        panel_size: Longer side of a panel in pixels.
        kwargs: Arguments of MMSegmentation's ``SegLocalVisualizer``.
    """

    def __init__(
        self, name: str = 'visualizer', *, alpha: float = 0.5, panel_size: int = 512, **kwargs: Any
    ):
        super().__init__(name, alpha=alpha, **kwargs)
        self.panel_size = panel_size

    @classmethod
    def get_instance(cls, name: str, **kwargs: Any) -> 'SegComparisonVisualizer':
        """Return the instance of a name, also where MMSegmentation 1.1 looks for it."""
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
        **kwargs: Any,
    ) -> None:
        """Draw one sample and show it, write it to ``out_file`` or pass it to the backends.

        Args:
            name: Name of the drawing.
            image: RGB or gray image ``(H, W, 3)`` or ``(H, W)``, or any channels and type, which
                :func:`~mmseg_attn.visualization.drawable.drawable` converts.
            data_sample: Sample with ``gt_sem_seg``, ``pred_sem_seg`` or both.
            draw_gt: Whether to draw the ground truth, if there is one.
            draw_pred: Whether to draw the prediction, if there is one.
            show: Whether to open a window.
            wait_time: Seconds to show the window; 0 waits for a key.
            out_file: File to write instead of passing the drawing to the backends.
            step: Iteration, for the backends.
            kwargs: Other arguments of MMSegmentation's visualizer; they change nothing.
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
        """Draw one sample, on any rank; MMEngine sets ``dataset_meta`` on the first one only.

        Args:
            image: RGB or gray image ``(H, W, 3)`` or ``(H, W)``, or any channels and type.
            data_sample: Sample with ``gt_sem_seg``, ``pred_sem_seg`` or both.
            metainfo: The ``classes`` of the dataset, and its ``palette``, an RGB color for each.
            draw_gt: Whether to draw the ground truth, if there is one.
            draw_pred: Whether to draw the prediction, if there is one.

        Returns:
            RGB panels and the legend ``(height, width, 3)``, uint8.
        """
        image = self._resized(drawable(image))
        panels = {'image': image}
        for wanted, title, field in (
            (draw_gt, 'ground truth', 'gt_sem_seg'),
            (draw_pred, 'prediction', 'pred_sem_seg'),
        ):
            if wanted and data_sample is not None and field in data_sample:
                mask = data_sample.get(field).cpu().numpy().data
                panels[title] = self._overlay(image, mask, metainfo)
        return self._arrange(panels, metainfo, int(_gray(image).mean()))

    def _resized(self, image: np.ndarray) -> np.ndarray:
        """Resize an image to the size of a panel."""
        height, width = image.shape[:2]
        scale = self.panel_size / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        return np.asarray(Image.fromarray(image).resize(size))

    def _overlay(self, image: np.ndarray, mask: np.ndarray, metainfo: Mapping) -> np.ndarray:
        """Color and outline the classes; background and pixels without a class stay unchanged."""
        mask = mask.reshape(mask.shape[-2:]).astype(
            np.int64
        )  # predictions of one output channel are floats
        if mask.shape != image.shape[:2]:
            mask = mmcv.imresize(mask.astype(np.int32), image.shape[1::-1], interpolation='nearest')
        palette = np.asarray(metainfo['palette'])
        drawn = image.copy()
        known = mask < len(palette)
        known[known] = _tinted(metainfo)[mask[known]]
        ground = _gray(image)[known][:, None]
        drawn[known] = (1 - self.alpha) * ground + self.alpha * palette[mask[known]]
        outline = known & _borders(mask, max(1, self.panel_size // 512))
        drawn[outline] = palette[mask[outline]]
        return drawn

    def _legend_color(self, color: Sequence[int], ground: int) -> tuple[int, ...]:
        """Mix the color of a class with the mean gray of the image."""
        return tuple(int((1 - self.alpha) * ground + self.alpha * value) for value in color)

    def _arrange(self, panels: dict[str, np.ndarray], metainfo: Mapping, ground: int) -> np.ndarray:
        """Arrange the panels in a row with a title above each, and the legend below.

        Args:
            panels: The panels, all of the same size, by their titles.
            metainfo: The ``classes`` and ``palette`` of the dataset.
            ground: Mean gray value of the image, which is mixed into the colors of the legend.
        """
        font_size = max(_FONT_SIZE, _FONT_SIZE * self.panel_size // 512)
        font = _font(font_size)
        line = font_size + 2 * _MARGIN
        size = next(iter(panels.values())).shape[1::-1]
        column = max(size[0], *(round(font.getlength(title)) for title in panels))
        names, palette = metainfo['classes'], metainfo['palette']
        named = [
            (text, tuple(color)) if tinted else (f'{text}: no color', None)
            for text, color, tinted in zip(names, palette, _tinted(metainfo).tolist(), strict=True)
        ]
        entries = [
            (text, color, font_size + round(font.getlength(text)) + 4 * _MARGIN)
            for text, color in named
        ]
        row_width = len(panels) * (column + _MARGIN) + _MARGIN
        row_width = max(row_width, *(entry_width + _MARGIN for *_, entry_width in entries))

        legend: list[Any] = []
        x, y = _MARGIN, line + size[1] + _MARGIN
        for text, color, entry_width in entries:
            if legend and x + entry_width > row_width:
                x, y = _MARGIN, y + line
            legend.append((x, y, text, color))
            x += entry_width

        canvas = Image.new('RGB', (row_width, y + line), 'white')
        draw = ImageDraw.Draw(canvas)
        for i, (title, panel) in enumerate(panels.items()):
            left = _MARGIN + i * (column + _MARGIN)
            draw.text((left, _MARGIN), title, 'black', font)
            canvas.paste(Image.fromarray(panel), (left, line))
        for x, y, text, color in legend:
            box = (x, y, x + font_size, y + font_size)
            if color is None:
                draw.rectangle(box, outline='black')
            else:
                mixed = self._legend_color(color, ground)
                draw.rectangle(box, fill=mixed, outline=color, width=max(2, font_size // 7))
            draw.text((x + font_size + _MARGIN, y - 2), text, 'black', font)
        return np.asarray(canvas)

"""Draw where a model is uncertain: colors over the gray image, and a color bar in nats."""

import cv2
import numpy as np
from PIL import Image, ImageDraw

from .seg_comparison_visualizer import _FONT_SIZE, _MARGIN, _font, _gray

COLORS = cv2.COLORMAP_PLASMA  # blue to yellow: uniform steps, for all kinds of color vision
OPAQUE = 0.5  # fraction of the largest entropy from which on the color hides the image
TITLES = 'image', 'uncertainty: entropy in nats'


def draw_uncertainty(
    image: np.ndarray, entropy: np.ndarray, largest: float, *, panel_size: int = 512
) -> np.ndarray:
    """Draw an image beside its gray version with the entropy in colors.

    The opacity of the color grows with the entropy, from 0 to 1 at ``OPAQUE`` of the largest one.

    Args:
        image: RGB, ``(H, W, 3)``, uint8.
        entropy: ``(H, W)``, in nats.
        largest: The largest possible entropy, in nats.
        panel_size: Longer side of a panel in pixels.

    Returns:
        RGB panels and the color bar ``(height, width, 3)``, uint8.
    """
    scale = panel_size / max(entropy.shape)
    width, height = (max(1, round(side * scale)) for side in entropy.shape[::-1])
    shown = Image.fromarray(image).resize((width, height))
    values = np.clip(entropy / largest, 0, 1).astype(np.float32)
    fraction: np.ndarray = cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)
    heat = _colored(_gray(np.asarray(shown)), fraction)

    size = max(_FONT_SIZE, _FONT_SIZE * panel_size // 512)
    font = _font(size)
    line = size + 2 * _MARGIN
    column = max(width, round(font.getlength(TITLES[1])))
    canvas = Image.new('RGB', (2 * column + 3 * _MARGIN, height + 3 * line + _MARGIN), 'white')
    draw = ImageDraw.Draw(canvas)
    for number, (title, panel) in enumerate(
        zip(TITLES, (shown, Image.fromarray(heat)), strict=True)
    ):
        left = _MARGIN + number * (column + _MARGIN)
        draw.text((left, _MARGIN), title, 'black', font)
        canvas.paste(panel, (left, line))

    left, top = 2 * _MARGIN + column, line + height + _MARGIN
    ramp = np.tile(np.linspace(0, 1, column, dtype=np.float32), (size, 1))
    bar = _colored(np.full(ramp.shape, _gray(np.asarray(shown)).mean()), ramp)
    canvas.paste(Image.fromarray(bar), (left, top))
    draw.rectangle((left, top, left + column - 1, top + size - 1), outline='black')
    for part in (0, 0.5, 1):
        text = f'{part * largest:.2f}' if part else '0'
        x = left + part * (column - font.getlength(text))
        draw.text((x, top + size + 2), text, 'black', font)
    return np.asarray(canvas)


def _colored(ground: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Mix gray values ``(H, W)`` with the colors of fractions of the largest entropy."""
    colors = cv2.applyColorMap(np.round(255 * fraction).astype(np.uint8), COLORS)[..., ::-1]
    opacity = np.minimum(fraction / OPAQUE, 1)[..., None]
    mixed = (1 - opacity) * ground[..., None] + opacity * colors
    return np.round(mixed).astype(np.uint8)

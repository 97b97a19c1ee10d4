"""Colors in which curves of classes are seen on white: those of the masks, where that can be."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

from ...datasets.nested_datasets import nested_datasets
from .pictures import hexadecimal

CONTRAST = 3  # with white, as WCAG 2.1 asks for in drawings
DISTINCT = 20  # least distance of two colors in CIELAB
WEIGHTS = np.array([0.2126, 0.7152, 0.0722])  # of linear red, green and blue in the luminance


def class_colors(cfg: Config) -> dict[str, list[int]]:
    """The palette of a config's dataset, RGB by the names of the classes; empty if unknown."""
    try:
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        *_, inner = nested_datasets(cfg.val_dataloader.dataset)
        meta = DATASETS.build(dict(inner, lazy_init=True, pipeline=[])).metainfo
        return dict(zip(meta['classes'], meta['palette'], strict=True))
    except Exception:  # a foreign config
        return {}


def on_white(names: Sequence[str], palette: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """The colors of classes as CSS writes them, the pale ones darkened.

    Args:
        names: The classes.
        palette: Colors of classes, RGB.

    Returns:
        A color of each class; none at all where one is missing or two are hard to tell apart.
    """
    if any(name not in palette for name in names):
        return {}
    drawn = [_darkened(palette[name]) for name in names]
    lab = cv2.cvtColor(np.array(drawn, np.float32).reshape(-1, 1, 3) / 255, cv2.COLOR_RGB2LAB)
    if any(np.linalg.norm(a - b) < DISTINCT for a, b in combinations(lab[:, 0], 2)):
        return {}
    return {name: hexadecimal(color) for name, color in zip(names, drawn, strict=True)}


def _darkened(color: Sequence[int]) -> list[int]:
    """A color of the same hue that has the contrast."""
    share = np.asarray(color) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    most = 1.05 / CONTRAST - 0.05
    linear *= min(1, most / max(linear @ WEIGHTS, most))
    share = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return [int(value) for value in np.floor(255 * share + 1e-6)]

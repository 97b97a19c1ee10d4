import numpy as np
import pytest
from mmengine.config import Config

from mmseg_attn.apps.report.curves import class_colors, on_white
from mmseg_attn.datasets import DrosophilaDataset
from tests.apps.report.fakes import CONFIG, ROOT

META = DrosophilaDataset.METAINFO


def contrast(color: str) -> float:
    """With white, as WCAG 2.1 defines it."""
    share = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05)


def test_the_palette_of_a_config():
    colors = class_colors(Config.fromfile(ROOT / CONFIG))
    assert colors == dict(zip(META['classes'], META['palette'], strict=True))


def test_the_palette_of_some_classes_in_a_wrapped_dataset():
    cfg = Config.fromfile(ROOT / CONFIG)
    cfg.val_dataloader.dataset.metainfo = dict(classes=('synapse', 'membrane'))
    cfg.val_dataloader.dataset = dict(
        type='RepeatDataset', times=1, dataset=cfg.val_dataloader.dataset
    )
    assert class_colors(cfg) == dict(synapse=META['palette'][2], membrane=META['palette'][0])


def test_a_foreign_config_has_none():
    assert class_colors(Config(dict(val_dataloader=dict(dataset=dict(type='Elsewhere'))))) == {}
    assert class_colors(Config(dict())) == {}


def test_dark_colors_stay_and_pale_ones_are_darkened():
    palette = dict(zip(META['classes'], META['palette'], strict=True))
    colors = on_white(META['classes'], palette)
    assert colors['membrane'] == '#440154'
    assert colors['synapse'] == '#dc1e3c'
    assert colors['intracellular'] != '#fdf3cd'
    assert 3 <= contrast(colors['intracellular']) < 3.1
    assert all(contrast(color) >= 3 for color in colors.values())
    assert list(colors) == list(META['classes'])


@pytest.mark.parametrize(
    'palette',
    [
        dict(a=[255, 255, 255], b=[200, 200, 200]),  # the same gray on white
        dict(a=[200, 0, 0], b=[210, 0, 0]),
        dict(a=[0, 0, 0]),
    ],
    ids=['both pale', 'alike', 'one is missing'],
)
def test_colors_that_cannot_be_told_apart_are_not_used(palette):
    assert on_white(['a', 'b'], palette) == {}


def test_black_and_white_classes_become_black_and_gray():
    assert on_white(['a', 'b'], dict(a=[0, 0, 0], b=[255, 255, 255])) == dict(
        a='#000000', b='#949494'
    )

import mmcv
import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import VISUALIZERS
from mmseg.structures import SegDataSample

CLASSES, PALETTE = ['cell', 'gap between cells'], [[255, 0, 0], [0, 0, 255]]


@pytest.fixture
def visualizer(tmp_path):
    visualizer = VISUALIZERS.build(
        dict(
            type='SegComparisonVisualizer',
            name=str(tmp_path),  # instances are kept by name
            vis_backends=[dict(type='LocalVisBackend')],
            save_dir=str(tmp_path),
            alpha=1.0,
            panel_size=192,
        )
    )
    visualizer.dataset_meta = dict(classes=CLASSES, palette=PALETTE)  # as the runner does
    return visualizer


def sample(gt, pred=None, shape=(1, 8, 8)) -> SegDataSample:
    fields = dict(gt_sem_seg=PixelData(data=torch.full(shape, gt)))
    if pred is not None:
        # MMSegmentation's test-time augmentation leaves out the first dimension
        fields['pred_sem_seg'] = PixelData(data=torch.full(shape[1:], pred))
    return SegDataSample(**fields)


def test_panels_and_legend(visualizer, tmp_path):
    image = np.full((8, 8, 3), 100, np.uint8)
    visualizer.add_datasample('image', image, sample(0, 1), out_file=str(tmp_path / 'x.png'))
    drawn = mmcv.imread(str(tmp_path / 'x.png'), channel_order='rgb')
    center = 26 + 96  # below the titles
    assert drawn[center, 6 + 96].tolist() == [100, 100, 100]
    assert drawn[center, 6 + 198 + 96].tolist() == PALETTE[0]
    assert drawn[center, 6 + 396 + 96].tolist() == PALETTE[1]
    legend = drawn[26 + 192 :].reshape(-1, 3).tolist()
    assert PALETTE[0] in legend
    assert PALETTE[1] in legend


@pytest.mark.parametrize(
    ('draw_gt', 'draw_pred', 'panels'), [(True, True, 3), (False, True, 2), (False, False, 1)]
)
def test_only_what_is_asked_for(visualizer, draw_gt, draw_pred, panels):
    image = np.zeros((8, 8, 3), np.uint8)
    visualizer.add_datasample('x', image, sample(0, 1), draw_gt=draw_gt, draw_pred=draw_pred)
    assert visualizer.get_image().shape[1] == 6 + 198 * panels


def test_ignored_pixels_show_the_image_and_sizes_may_differ(visualizer):
    image = np.full((16, 16, 3), 100, np.uint8)
    visualizer.add_datasample('x', image, sample(255))
    assert visualizer.get_image()[26 + 96, 6 + 198 + 96].tolist() == [100, 100, 100]


def test_a_narrow_image_has_room_for_titles_and_legend(visualizer):
    visualizer.add_datasample('x', np.zeros((800, 2, 3), np.uint8), sample(0, 1))
    drawn = visualizer.get_image()
    assert drawn.shape[1] > 3 * 60
    legend = drawn[26 + 192 :].reshape(-1, 3).tolist()
    assert PALETTE[0] in legend
    assert PALETTE[1] in legend


def test_text_grows_with_the_panels(visualizer):
    visualizer.panel_size = 1024
    visualizer.add_datasample('x', np.zeros((8, 8, 3), np.uint8), sample(0))
    above_and_below = visualizer.get_image().shape[0] - 1024
    assert above_and_below == 2 * (28 + 12) + 6


def test_the_backend_receives_the_drawing(visualizer, tmp_path):
    visualizer.add_datasample('x', np.zeros((8, 8, 3), np.uint8), sample(0), step=3)
    assert [p.name for p in tmp_path.rglob('*.png')] == ['x_3.png']


def drawn_over(visualizer, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The panel with the ground truth."""
    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.from_numpy(mask)[None]))
    visualizer.panel_size = max(mask.shape)
    visualizer.add_datasample('x', image, sample)
    height, width = mask.shape
    above = 14 * max(1, height // 512) + 12
    return visualizer.get_image()[above : above + height, -6 - width : -6]


@pytest.fixture
def halves():
    """An orange photo of which the right half is a class."""
    image = np.full((192, 192, 3), (240, 130, 20), np.uint8)
    mask = np.zeros((192, 192), np.int64)
    mask[:, 96:] = 1
    return image, mask


@pytest.mark.parametrize(
    ('name', 'color'), [('background', [10, 20, 30]), ('sky', [0, 0, 0]), ('_background_', [1] * 3)]
)
def test_a_color_stays_itself_on_a_photo_and_the_background_is_the_photo(
    visualizer, halves, name, color
):
    visualizer.alpha = 0.5
    teal = [0, 128, 128]
    visualizer.dataset_meta = dict(classes=[name, 'cell'], palette=[color, teal])
    panel = drawn_over(visualizer, *halves)
    gray = 0.299 * 240 + 0.587 * 130 + 0.114 * 20
    assert panel[90, 30].tolist() == [240, 130, 20]
    assert panel[90, 95].tolist() == [240, 130, 20]  # no outline
    expected = [int(0.5 * gray + 0.5 * value) for value in teal]
    assert panel[90, 150].tolist() == expected
    assert panel[90, 96].tolist() == teal  # its outline
    assert panel[90, 97].tolist() == expected


def test_two_classes_have_an_outline_each(visualizer, halves):
    visualizer.alpha = 0.5
    panel = drawn_over(visualizer, *halves)
    assert panel[90, 95].tolist() == PALETTE[0]
    assert panel[90, 96].tolist() == PALETTE[1]


def test_the_legend_shows_the_color_as_it_is_over_the_image(visualizer, halves):
    visualizer.alpha = 0.5
    image = np.full((192, 192, 3), 100, np.uint8)
    visualizer.dataset_meta = dict(classes=['background', 'cell'], palette=[[0] * 3, [0, 200, 0]])
    panel = drawn_over(visualizer, image, halves[1])
    legend = visualizer.get_image()[26 + 192 :].reshape(-1, 3).tolist()
    assert panel[90, 150].tolist() == [50, 150, 50]
    assert [50, 150, 50] in legend
    assert [0, 200, 0] in legend


def test_outlines_of_large_panels_are_thicker(visualizer):
    visualizer.alpha = 0.5
    mask = np.zeros((1024, 1024), np.int64)
    mask[:, 512:] = 1
    panel = drawn_over(visualizer, np.full((1024, 1024, 3), 100, np.uint8), mask)
    columns = [x for x in range(1024) if panel[500, x].tolist() in PALETTE]
    assert columns == [510, 511, 512, 513]

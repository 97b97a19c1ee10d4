"""The drawing of a confusion matrix."""

import numpy as np
from PIL import Image

from mmseg_attn.visualization.confusion_plot import plot_confusion


def test_the_drawing_of_many_classes_stays_of_one_size(tmp_path):
    for number in (41, 300):
        counts = np.eye(number, dtype=np.int64)
        plot_confusion(counts, [f'class {i}' for i in range(number)], tmp_path / f'{number}.png')
    few, many = (Image.open(tmp_path / f'{number}.png').size for number in (41, 300))
    assert few == many
    assert max(many) < 4500

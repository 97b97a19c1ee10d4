import csv

import numpy as np
import pytest
from PIL import Image

from mmseg_attn.errors import DataError
from tools.analysis_tools import confusion_matrix

CONFIG = """
default_scope = 'mmseg'
test_dataloader = dict(
    dataset=dict(
        type='BaseSegDataset',
        data_root={root!r},
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        img_suffix='.png',
        {metainfo}
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
        + [dict(type='PackSegInputs')],
    ),
)
"""


@pytest.fixture
def config(tmp_path):
    for folder in ('images', 'masks', 'predicted'):
        (tmp_path / folder).mkdir()
    Image.fromarray(np.zeros((2, 3, 3), np.uint8)).save(tmp_path / 'images/a.png')
    for folder, labels in (('masks', [0, 0, 1, 1, 1, 255]), ('predicted', [0, 1, 1, 1, 0, 0])):
        Image.fromarray(np.uint8(labels).reshape(2, 3)).save(tmp_path / folder / 'a.png')

    def config(metainfo: str = '') -> list[str]:
        text = CONFIG.format(root=str(tmp_path), metainfo=metainfo)
        (tmp_path / 'config.py').write_text(text)
        folders = [tmp_path / 'config.py', tmp_path / 'predicted', '--out', tmp_path / 'out']
        return list(map(str, folders))

    return config


def test_the_pixels_of_each_pair_of_classes(config, tmp_path, capsys):
    confusion_matrix.main(config("metainfo=dict(classes=('a', 'b')),"))
    with (tmp_path / 'out/confusion_matrix.csv').open(newline='') as file:
        assert [*csv.reader(file)] == [['true class', 'a', 'b'], ['a', '1', '1'], ['b', '1', '2']]
    assert (tmp_path / 'out/confusion_matrix.png').is_file()
    assert capsys.readouterr().out.endswith('confusion_matrix.png of 1 image\n')


def test_a_dataset_without_classes_is_refused(config, tmp_path):
    with pytest.raises(DataError, match='BaseSegDataset has no classes: add them'):
        confusion_matrix.main(config())
    assert not (tmp_path / 'out').exists()

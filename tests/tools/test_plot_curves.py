"""Curves, as a user asks for them."""

import pytest
from PIL import Image

from mmseg_attn.errors import MMSegAttnError, UsageError
from tests.data.work_dirs import write_start
from tools.analysis_tools import plot_curves

SCORES = {4: {'mIoU': 30.0, 'IoU.cell': 40.0, 'IoU.wall': 20.0}}


@pytest.fixture
def work_dir(tmp_path):
    """Write a work directory."""

    def work_dir(name: str, **content):
        content = dict(losses={2: 1.0, 4: 0.5}, scores=SCORES) | content
        write_start(tmp_path / name / '20240102_030405', **content)
        return str(tmp_path / name)

    return work_dir


def size(file) -> tuple[int, int]:
    with Image.open(file) as image:
        image.load()
        assert image.format == 'PNG'
        return image.size


def test_one_run_and_several(work_dir, tmp_path, capsys):
    one, both = tmp_path / 'new' / 'one.png', tmp_path / 'both.png'
    plot_curves.main([work_dir('a'), '--out', str(one)])
    assert capsys.readouterr().out == f'{one}: 3 panels of 1 run\n'
    plot_curves.main([work_dir('b'), work_dir('c/fold0'), '--out', str(both)])
    assert '4 panels of 2 runs' in capsys.readouterr().out
    assert size(one)[0] > size(one)[1]  # three in a row; of four, two
    assert size(both)[1] > size(one)[1]


def test_folds(work_dir, tmp_path, capsys):
    for fold in range(3):
        work_dir(f'cv/fold{fold}')
    plot_curves.main([str(tmp_path / 'cv'), '--out', str(tmp_path / 'x.png')])
    assert 'panels of 3 runs' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('folder', 'out', 'message'),
    [
        ('nothing', 'x.png', 'nothing is not a folder: name the work directory of a training'),
        ('.', 'x.png', r'contains no log of a training \(\*/vis_data/scalars.json\): name a work'),
        ('a', 'x.jpg', r'x\.jpg is not a name that ends in \.png: choose one'),
        ('a', '.png', r'\.png is not a name that ends in \.png'),
        ('empty', 'x.png', r'empty contain no loss and no IoU yet'),
    ],
)
def test_mistakes_are_one_sentence_and_write_nothing(work_dir, tmp_path, folder, out, message):
    work_dir('a')
    work_dir('empty', losses={}, scores={2: {'aAcc': 1.0}})
    before = set(tmp_path.rglob('*'))
    with pytest.raises(MMSegAttnError, match=message):
        plot_curves.main([str(tmp_path / folder), '--out', str(tmp_path / out)])
    assert set(tmp_path.rglob('*')) == before


def test_what_cannot_be_written_leaves_nothing(work_dir, tmp_path):
    (tmp_path / 'taken.png').mkdir()
    with pytest.raises(UsageError, match=r'taken\.png is a folder: name a file'):
        plot_curves.main([work_dir('a'), '--out', str(tmp_path / 'taken.png')])
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a', 'taken.png']

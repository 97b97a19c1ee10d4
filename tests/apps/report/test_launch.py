from mmseg_attn.apps.report.launch import Launch, find_launches
from tests.data.work_dirs import write_start


def test_numbers_and_words_of_a_start(tmp_path):
    folder = write_start(tmp_path / '1', losses={2: 1.5, 4: 1.0}, scores={4: {'mIoU': 40.0}})
    launch = Launch(folder)
    assert [each.get('loss', each.get('mIoU')) for each in launch.entries] == [1.5, 1.0, 40.0]
    assert launch.environment['GPU 0,1'] == 'Some Card'
    assert launch.environment['Python'].startswith('3.11.7 (main')
    assert launch.environment['seed'] == '7'
    assert (launch.times[-1] - launch.times[0]).total_seconds() == 120
    assert launch.resumed_at == 0


def test_where_it_went_on_from(tmp_path):
    assert Launch(write_start(tmp_path / '1', losses={6: 1.0}, resumed=4)).resumed_at == 4
    assert Launch(write_start(tmp_path / '2', losses={6: 1.0}, log=False)).resumed_at is None


def test_a_line_that_was_cut_and_prefixes_of_modes(tmp_path):
    file = write_start(tmp_path / '1', losses={}) / 'vis_data/scalars.json'
    file.write_text('{"train/loss": 2.0, "iter": 1}\n[1]\n{"val/mIoU": 3.0, "step": 1}\n{"loss": 1')
    assert Launch(tmp_path / '1').entries == [dict(loss=2.0, iter=1), dict(mIoU=3.0, step=1)]


def test_without_numbers_the_table_of_classes_is_taken(tmp_path):
    rows = ['split,epoch,iter,class,IoU,Acc', 'val,1,8,cell,60.0,9', 'val,1,8,"a, b",50.0,9']
    rows += ['val,2,16,cell,70.0,9', 'test,,,cell,1.0,9', 'val,2,16,"a, b",,']
    (tmp_path / '1').mkdir()
    (tmp_path / '1/per_class.csv').write_text('\n'.join(rows))
    assert Launch(tmp_path / '1').entries == [
        {'step': 8, 'IoU.cell': 60.0, 'IoU.a, b': 50.0, 'mIoU': 55.0},
        {'step': 16, 'IoU.cell': 70.0, 'mIoU': 70.0},
    ]


def test_starts_in_the_order_of_time_and_no_tests(tmp_path):
    for name in ('20240103_000000', '20240102_000000'):
        write_start(tmp_path / name, losses={1: 1.0})
    (tmp_path / '20240104_000000').mkdir()
    (tmp_path / '20240104_000000/per_class.csv').write_text(
        'split,epoch,iter,class,IoU\ntest,,,a,1'
    )
    (tmp_path / 'best.pth').touch()
    names = [launch.folder.name for launch in find_launches(tmp_path)]
    assert names == ['20240102_000000', '20240103_000000']

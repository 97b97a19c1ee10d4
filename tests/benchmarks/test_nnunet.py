"""nnU-Net's layout, smaller plans and scores without nnU-Net, and a short run if there is one.

For the run, name the Python of an environment with nnunetv2 in NNUNET_PYTHON.
"""

import json
import os
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest

from mmseg_attn.errors import DataError
from mmseg_attn.io import read_gray8, write_png
from tests.apps.runs.records import make_record

NNUNET = os.environ.get('NNUNET_PYTHON')


@pytest.fixture
def nnunet(script):
    return script('nnunet')


@pytest.fixture
def worker(script):
    return script('nnunet_worker')


@pytest.fixture
def data(pseudo_data) -> Path:
    return Path(pseudo_data['DROSOPHILA_ROOT'])


@pytest.fixture
def lists(nnunet, data) -> dict[str, list[str]]:
    return nnunet.read_lists(data, 0)


def test_a_fold_in_the_layout_of_nnunet(nnunet, data, lists, tmp_path):
    nnunet.convert(data, lists, tmp_path)
    training = [*lists['train'], *lists['val']]
    assert {f.name for f in (tmp_path / 'labelsTr').iterdir()} == {f'{n}.png' for n in training}
    for folder, names in (('imagesTr', training), ('imagesTs', lists['test'])):
        files = {f.name: f for f in (tmp_path / folder).iterdir()}
        assert set(files) == {f'{name}_0000.png' for name in names}
    name = training[0]
    image = read_gray8(tmp_path / f'imagesTr/{name}_0000.png')
    assert (image == read_gray8(data / f'images/{name}.png')).all()
    labels = read_gray8(tmp_path / f'labelsTr/{name}.png')
    assert (labels == read_gray8(data / f'annotations/{name}.png') + 1).all()
    (split,) = json.loads((tmp_path / 'splits_final.json').read_text())
    assert split == dict(train=lists['train'], val=lists['val'])
    description = json.loads((tmp_path / 'dataset.json').read_text())
    assert description['numTraining'] == len(training)
    assert description['labels'] | dict(background=0, membrane=1) == description['labels']
    assert sorted(description['labels'].values()) == [0, 1, 2, 3, 4, 5]


def test_a_label_that_is_no_class_is_refused(nnunet, tmp_path):
    for folder in ('images', 'annotations'):
        (tmp_path / folder).mkdir()
        write_png(tmp_path / folder / 'a.png', np.full((2, 2), 255, np.uint8))
    with pytest.raises(DataError, match=r'a\.png contains the value 255, but there are 5 classes'):
        nnunet.convert(tmp_path, dict(train=['a'], val=[], test=[]), tmp_path / 'raw')


def test_areas_count_background_for_no_class(nnunet, tmp_path):
    (tmp_path / 'annotations').mkdir()
    write_png(tmp_path / 'annotations/a.png', np.array([[0, 0, 1], [1, 4, 4]], np.uint8))
    write_png(tmp_path / 'a.png', np.array([[1, 0, 2], [1, 5, 5]], np.uint8))
    areas = nnunet.areas_of(tmp_path, tmp_path, ['a'])
    assert areas == {'a.png': [[1, 1, 0, 0, 2], [2, 1, 0, 0, 2], [2, 2, 0, 0, 2]]}
    line = nnunet.row('x', 1.0, 2_000_000, areas)
    assert line['parameters (M)'] == 2
    assert line['membrane'] == pytest.approx(100 / 3)  # of three pixels, one is in both
    assert line['mIoU'] == pytest.approx((100 / 3 + 50 + 100) / 3)
    assert line['synapse'] is None


def test_plans_get_our_size_and_keep_the_rest(worker):
    stages = 7
    kwargs = dict(
        n_stages=stages,
        features_per_stage=[32, 64, 128, 256, 512, 512, 512],
        kernel_sizes=[[3, 3]] * stages,
        strides=[[1, 1]] + [[2, 2]] * (stages - 1),
        n_conv_per_stage=[2] * stages,
        n_conv_per_stage_decoder=[2] * (stages - 1),
        conv_bias=True,
    )
    plans = dict(
        configurations={
            '2d': dict(
                patch_size=[256, 256], batch_size=49, architecture=dict(arch_kwargs=kwargs), x=1
            )
        }
    )
    before = json.dumps(plans)
    changed = worker.shrink(plans)['configurations']['2d']
    assert json.dumps(plans) == before
    assert (changed['patch_size'], changed['batch_size'], changed['x']) == ([128, 128], 4, 1)
    assert changed['architecture']['arch_kwargs'] == dict(
        n_stages=5,
        features_per_stage=[16, 32, 64, 128, 256],
        kernel_sizes=[[3, 3]] * 5,
        strides=[[1, 1]] + [[2, 2]] * 4,
        n_conv_per_stage=[2] * 5,
        n_conv_per_stage_decoder=[2] * 4,
        conv_bias=True,
    )


def test_training_ends_in_time_with_a_learning_rate_that_falls(worker, monkeypatch):
    times = iter(range(100))
    monkeypatch.setattr(worker.time, 'monotonic', lambda: next(times))
    trainer = MagicMock()
    assert worker.train(trainer, 10) == 9
    passed = [call.args[0] for call in trainer.lr_scheduler.step.call_args_list]
    assert passed == pytest.approx([i / 10 for i in range(1, 10)])
    assert trainer.num_epochs == 1


def test_ours_and_nnunet_on_the_same_crops(nnunet, data, lists, tmp_path, monkeypatch, capsys):
    def fake(args, work_dir):
        out = work_dir / 'predictions'
        out.mkdir()
        for name in lists['test']:
            write_png(out / f'{name}.png', read_gray8(data / f'annotations/{name}.png') + 1)
        return dict(iterations=7, seconds=60 * args.minutes, parameters=10)

    monkeypatch.setattr(nnunet, 'run_nnunet', fake)
    wrong = {f'{name}.png': [[0] * 5, [1] * 5, [2] * 5] for name in lists['test']}
    record = make_record(classes=nnunet.CLASSES, images=wrong, seconds=dict(training=120.0))
    record.write(tmp_path / 'ours.json')
    arguments = ['--env', 'x', '--data', str(data), '--work-dir', str(tmp_path / 'work')]
    arguments += ['--records', str(tmp_path / 'ours.json'), '--json', str(tmp_path / 'out.json')]
    nnunet.main([*arguments, '--plot', str(tmp_path / 'out.png')])
    assert (tmp_path / 'out.png').read_bytes()[:4] == b'\x89PNG'
    content = json.loads((tmp_path / 'out.json').read_text())
    theirs, ours = content['tables'][0]['rows']
    assert (theirs['minutes of training'], theirs['iterations'], theirs['mIoU']) == (2, 7, 100)
    assert (ours['name'], ours['minutes of training'], ours['mIoU']) == ('ours', 2, 0)
    assert set(content['images']) == set(wrong)
    difference = content['tables'][1]['rows'][0]['difference']
    assert difference == 'no difference shown: -100.0 mIoU (no interval of fewer than 6 cases)'
    assert '### Difference to nnU-Net on the same crops' in capsys.readouterr().out
    with pytest.raises(DataError, match='ours was tested on other crops than the test split'):
        nnunet.main([*arguments, '--fold', '1'])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ([], 'set --minutes, or name --records'),
        (['--minutes', '0'], '0.0 is not above 0'),
    ],
)
def test_the_length_is_required(nnunet, capsys, arguments, message):
    with pytest.raises(SystemExit, match='2'):
        nnunet.main(['--env', 'x', *arguments])
    assert message in capsys.readouterr().err


def test_a_missing_fold_and_a_missing_python_are_named(nnunet, data, tmp_path):
    arguments = ['--minutes', '1', '--data', str(data), '--work-dir', str(tmp_path)]
    with pytest.raises(DataError, match=r'fold9.train\.txt is missing: name the converted'):
        nnunet.main(['--env', 'x', *arguments, '--fold', '9'])
    with pytest.raises(DataError, match=r'--env .*no-python cannot be started'):
        nnunet.main(['--env', str(tmp_path / 'no-python'), *arguments])


@pytest.mark.skipif(not NNUNET, reason='needs an environment with nnunetv2 in NNUNET_PYTHON')
def test_a_short_run_of_nnunet(nnunet, data, tmp_path):
    arguments = ['--env', NNUNET, '--minutes', '0.1', '--threads', '1', '--workers', '0']
    folders = ['--data', str(data), '--work-dir', str(tmp_path)]
    nnunet.main([*arguments, *folders, '--json', str(tmp_path / 'out.json')])
    content = json.loads((tmp_path / 'out.json').read_text())
    assert content['tables'][0]['rows'][0]['iterations'] > 0
    assert content['nnunet']['plans']['patch_size'] == [128, 128]

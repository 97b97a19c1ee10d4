"""A report on a tiny training, and on what is left of others."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmseg_attn.apps.predict import Predictor, write_temperature
from mmseg_attn.datasets.nested_datasets import nested_datasets
from mmseg_attn.errors import MMSegAttnError
from tests.apps.report.html import Page
from tests.data.work_dirs import write_start
from tests.processes import run_script
from tools import report

CONFIG = 'configs/unet/unet-b16_1xb4-600i_drosophila-128x128.py'
OPTIONS = [
    *['model.backbone.channels=[4,8]', 'model.decode_head.in_channels=[4,8]'],
    *['train_cfg.max_iters=4', 'train_cfg.val_interval=2', 'default_hooks.logger.interval=1'],
    'train_dataloader.dataset.pipeline.2.crop_size=(32,32)',
    *[
        f'{split}_dataloader.{option}'
        for split in ('train', 'val', 'test')
        for option in ('num_workers=0', 'persistent_workers=False')
    ],
]


@pytest.fixture(scope='module')
def trained(tmp_path_factory, pseudo_data):
    """The work directory of a training of four iterations."""
    folder = tmp_path_factory.mktemp('work') / 'small'
    options = ['--work-dir', folder, '--cfg-options', *OPTIONS]
    done = run_script('tools/train.py', CONFIG, *options, env=pseudo_data)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def work_dir(trained, tmp_path):
    """A copy of it that a test may change."""
    return shutil.copytree(trained, tmp_path / 'small')


def page(*arguments) -> Page:
    report.main([str(argument) for argument in arguments])
    *_, last = arguments
    return Page(last.read_text(encoding='utf-8'))


def record(work_dir) -> Path:
    """The config that the training was started with, which a test of the model leaves alone."""
    (config,) = work_dir.glob('*/vis_data/config.py')
    return config


def logged(work_dir) -> list[dict]:
    (file,) = work_dir.glob('*/vis_data/scalars.json')
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_the_page_says_what_the_validation_has_measured(work_dir, tmp_path, capsys):
    html = page(work_dir, '--split', 'val', '--out', tmp_path / 'x.html')
    best = max((entry for entry in logged(work_dir) if 'mIoU' in entry), key=lambda e: e['mIoU'])
    assert f'{best["mIoU"]:.1f} % ' in html.text
    for name in ('membrane', 'mitochondria', 'synapse', 'extracellular', 'intracellular'):
        shown = re.search(rf'{name} ([\d.]+) ', html.text)[1]
        assert float(shown) == pytest.approx(best[f'IoU.{name}'], abs=0.0051)
    # three curves and five reliability diagrams
    assert len(html.all('img')) == 3 + 5 + len(html.all('article')) * 4
    assert len(html.all('article')) == 2  # two images: best and worst
    assert 'val set, 2 images' in html.text
    assert 'missing' not in capsys.readouterr().out


def test_beside_the_training_by_default(work_dir, capsys):
    report.main([str(work_dir)])
    assert 'test set, 2 images' in Page((work_dir / 'report.html').read_text()).text
    assert capsys.readouterr().out == f'{work_dir}/report.html\n'
    assert not [path for path in work_dir.iterdir() if path.name.endswith('unfinished')]


def errors_by_hand(folder: Path, *temperatures: float) -> list[str]:
    """The calibration errors of the predicted class and of the third one, from predictions."""
    cfg = Config.fromfile(record(folder))
    (checkpoint,) = folder.glob('best_*.pth')
    predictor = Predictor(cfg, checkpoint, maps=['probabilities'])
    *_, leaf = nested_datasets(cfg.test_dataloader.dataset)
    root = Path(leaf.data_root)
    p, truth = [], []
    for name in (root / leaf.ann_file).read_text().split():
        image, mask = (
            np.asarray(Image.open(root / f'{kind}/{name}.png'))
            for kind in ('images', 'annotations')
        )
        ((_, prediction),) = predictor.predict([(name, image)])
        p.append(prediction.maps['probabilities'].reshape(5, -1))
        truth.append(mask.ravel())
    labeled = np.concatenate(truth) < 4  # the last class is ignored
    p, truth = np.concatenate(p, 1)[:, labeled].astype(np.float64), np.concatenate(truth)[labeled]
    texts = []
    for t in temperatures:
        q = p ** (1 / t) / (p ** (1 / t)).sum(0)
        for confidence, right in ((q.max(0), q.argmax(0) == truth), (q[2], truth == 2)):
            bins = np.ceil(15 * confidence)
            gaps = [(right * 1.0 - confidence)[bins == b].sum() for b in range(1, 16)]
            texts.append(f'{np.abs(gaps).sum() / len(truth):.4f}')
    return texts


def test_the_calibration_with_and_without_a_temperature(work_dir, tmp_path, capsys):
    config = record(work_dir)
    config.write_text(f'{config.read_text()}\ntest_evaluator["ignore_index"] = 4\n')
    (checkpoint,) = work_dir.glob('best_*.pth')
    write_temperature(checkpoint, 0.4)
    html = page(work_dir, '--images', '0', '--out', tmp_path / 'x.html')
    all_1, synapse_1, all_t, synapse_t = errors_by_hand(work_dir, 1, 0.4)
    assert all_1 != all_t
    assert f'no temperature temperature 0.4 the predicted class {all_1} {all_t} ' in html.text
    assert 'Points of fewer than 30 pixels are left out' in html.text
    assert f' synapse {synapse_1} {synapse_t} ' in html.text

    checkpoint.with_suffix('.temperature.json').write_text('{}')
    html = page(work_dir, '--images', '0', '--out', tmp_path / 'x.html')
    assert f'the predicted class {all_1} ' in html.text
    sentence = 'small is not calibrated: '
    assert sentence in html.text
    assert sentence in capsys.readouterr().out


def test_windows_without_probabilities(work_dir, tmp_path):
    config = record(work_dir)
    config.write_text(
        f'{config.read_text()}\nmodel["type"] = "LargeImageEncoderDecoder"\n'
        'model["test_cfg"] = dict(mode="slide", crop_size=(32, 32), stride=(24, 24))\n'
    )
    (checkpoint,) = work_dir.glob('best_*.pth')
    checkpoint.with_suffix('.temperature.json').write_text('{}')
    html = page(work_dir, '--images', '0', '--out', tmp_path / 'x.html')
    assert 'small is not calibrated: ' in html.text
    assert 'small has no reliability diagrams, as only the labels of sliding windows' in html.text
    assert 'Scores' in html.text
    assert 'the predicted class' not in html.text


def test_without_a_checkpoint(work_dir, tmp_path, capsys):
    for file in work_dir.glob('*.pth'):
        file.unlink()
    html = page(work_dir, '--out', tmp_path / 'x.html')
    sentence = f'{work_dir} contains no checkpoint: no predictions'
    assert sentence in html.text
    assert f'missing from the page: {sentence}' in capsys.readouterr().out
    assert 'validation at iteration' in html.text
    assert not html.all('article')
    assert 'parameters' in html.text


def test_without_data(work_dir, tmp_path, monkeypatch):
    config = record(work_dir)
    config.write_text(re.sub(r"data_root\s*=\s*'[^']*'", "data_root='gone'", config.read_text()))
    html = page(work_dir, '--out', tmp_path / 'x.html')
    sentence = 'The split file gone/splits/fold0/test.txt is missing: run python tools/dataset_conv'
    assert sentence in html.text
    assert not html.all('article')


def test_a_checkpoint_that_does_not_fit(work_dir, tmp_path):
    for file in work_dir.glob('best_*.pth'):
        file.write_bytes(b'nothing')
    html = page(work_dir, '--out', tmp_path / 'x.html')
    assert 'cannot be read as a checkpoint' in html.text


def test_an_image_that_is_damaged(work_dir, tmp_path, pseudo_data):
    data = shutil.copytree(pseudo_data['DROSOPHILA_ROOT'], tmp_path / 'data')
    name = (data / 'splits/fold0/test.txt').read_text().split()[0]
    (data / f'images/{name}.png').write_bytes(b'nothing')
    config = record(work_dir)
    config.write_text(config.read_text().replace(pseudo_data['DROSOPHILA_ROOT'], str(data)))
    html = page(work_dir, '--out', tmp_path / 'x.html')
    assert 'no predictions of small: ' in html.text


def test_what_was_tested_before_stands_in(work_dir, tmp_path):
    for file in work_dir.glob('*.pth'):
        file.unlink()
    metrics = {'mIoU': 12.34, 'IoU.synapse': 12.34, 'Acc.synapse': 56.78}
    (work_dir / 'test/29990102_030405').mkdir(parents=True)
    (work_dir / 'test/29990102_030405/29990102_030405.json').write_text(json.dumps(metrics))
    html = page(work_dir, '--out', tmp_path / 'x.html')
    assert 'test set, from the log of the test' in html.text
    assert 'synapse 12.34 56.78 ' in html.text


@pytest.mark.parametrize(('name', 'taken'), [('train', True), ('small', False)])
def test_a_test_beside_a_training_belongs_to_it_where_reproduce_put_it(tmp_path, name, taken):
    write_start(tmp_path / name / '1', losses={1: 1.0}, scores={1: {'mIoU': 5.0}})
    (tmp_path / 'test/1').mkdir(parents=True)
    (tmp_path / 'test/1/1.json').write_text('{"mIoU": 12.0}')
    html = page(tmp_path / name, '--out', tmp_path / 'x.html')
    assert ('12.0 % ' in html.text) == taken
    assert ('validation at iteration 1' in html.text) != taken


def test_folds_have_mean_and_deviation(trained, tmp_path):
    for fold in range(2):
        folder = shutil.copytree(trained, tmp_path / f'cv/fold{fold}/train')
        for file in folder.glob('*.pth'):
            file.unlink()
        metrics = {'mIoU': 60.0 + 2 * fold, 'IoU.synapse': 60.0 + 2 * fold}
        test = folder.parent / 'test/29990102_030405'
        test.mkdir(parents=True)
        (test / '29990102_030405.json').write_text(json.dumps(metrics))
    html = page(tmp_path / 'cv', '--out', tmp_path / 'x.html')
    assert '61.0 ± 1.4 %' in html.text
    assert 'synapse 61.00 1.41 60.00 62.00 ' in html.text


def test_runs_side_by_side(work_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_start(tmp_path / 'other/1', losses={1: 1.0}, scores={1: {'mIoU': 5.0, 'IoU.a': 5.0}})
    report.main([str(work_dir), 'other'])
    html = Page((tmp_path / 'report.html').read_text(encoding='utf-8'))
    assert 'small and other' in html.text
    assert 'other contains no config' in html.text


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['nothing'], 'nothing is not a folder'),
        (['.'], 'contains no log of a training'),
        (['small', '--out', 'small'], '--out small is a folder: name a file'),
        (['small', '--out', 'x.py'], 'x.py is not a name that ends in .html or .htm: choose one'),
        (['small', '--device', 'cuda:99'], r'--device cuda:99 cannot be used \('),
        (
            ['small', '--out', 'file/x.html'],
            r'file cannot be written \(.*\): choose another f',
        ),
    ],
)
def test_mistakes_are_one_sentence_and_write_nothing(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    write_start(tmp_path / 'small/1', losses={1: 1.0})
    (tmp_path / 'file').touch()
    before = set(tmp_path.rglob('*'))
    with pytest.raises(MMSegAttnError, match=message) as error:
        report.main(arguments)
    assert '\n' not in str(error.value)
    assert set(tmp_path.rglob('*')) == before

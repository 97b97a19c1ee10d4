import json
from subprocess import CompletedProcess

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from PIL import Image

from mmseg_attn.errors import DataError
from tests.processes import run_script
from tools import class_weights

# Pixels of the five classes in three masks; the last mask is no training image.
COUNTS = [[6, 2, 4, 0, 0], [0, 3, 0, 5, 4], [2, 2, 2, 2, 2]]
CONFIG = """
default_scope = 'mmseg'
dataset = dict(
    type='DrosophilaDataset',
    data_root={root!r},
    data_prefix=dict(img_path='images', seg_map_path='annotations'),
    ann_file='train.txt',
    pipeline=[
        dict(type='LoadImageFromFile', color_type='grayscale'),
        dict(type='LoadAnnotations'),
        dict(type='Resize', scale=(64, 64)),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PackSegInputs'),
    ],
)
train_dataloader = dict(dataset={dataset})
"""


@pytest.fixture
def data(tmp_path):
    for name in ('images', 'annotations'):
        (tmp_path / name).mkdir()
    for i, counts in enumerate(COUNTS):
        labels = np.repeat(range(5), counts)
        mask = np.concatenate([labels, np.full(20 - len(labels), 255)]).astype(np.uint8)
        for name in ('images', 'annotations'):
            Image.fromarray(mask.reshape(4, 5)).save(tmp_path / name / f'{i}.png')
    (tmp_path / 'train.txt').write_text('0\n1\n')
    return tmp_path


def config(data, dataset='dataset'):
    path = data / 'config.py'
    path.write_text(CONFIG.format(root=str(data), dataset=dataset))
    return path


def run(data, **kwargs):
    class_weights.main([str(config(data, **kwargs)), '--out', str(data / 'out')])
    return {path.stem: json.loads(path.read_text()) for path in (data / 'out').iterdir()}


def expected():
    total = [6, 5, 4, 5, 4]
    labeled = [12, 24, 12, 12, 12]  # pixels of the images with the class; ignored ones are out
    frequency = [n / m for n, m in zip(total, labeled, strict=True)]
    median = sorted(frequency)[2]
    return dict(
        median_frequency=[median / value for value in frequency],
        inverse_frequency=[24 / 5 / n for n in total],
    )


@pytest.mark.parametrize(
    'dataset',
    [
        'dataset',
        "dict(type='RepeatDataset', times=3, dataset=dataset)",
        "dict(type='ConcatDataset', datasets=[dataset, dataset])",
    ],
)
def test_both_kinds_by_hand(data, dataset):
    found = run(data, dataset=dataset)
    assert set(found) == set(expected())
    for kind, values in expected().items():
        np.testing.assert_allclose(found[kind], values, rtol=1e-4)


def test_repeated_datasets_count_as_often_as_they_are_repeated(data):
    single = run(data)
    parts = "[dict(type='RepeatDataset', times=3, dataset=dataset), dataset]"
    repeated = run(data, dataset=f"dict(type='ConcatDataset', datasets={parts})")
    assert repeated == single  # every image four times
    (data / 'second.txt').write_text('1\n')
    second = "dict(dataset, ann_file='second.txt')"
    parts = f"[dataset, dict(type='RepeatDataset', times=2, dataset={second})]"
    weights = run(data, dataset=f"dict(type='ConcatDataset', datasets={parts})")
    total = np.array(COUNTS[0]) + 3 * np.array(COUNTS[1])
    np.testing.assert_allclose(weights['inverse_frequency'], total.mean() / total, rtol=1e-4)


def test_an_ignored_class_has_no_part_in_the_weights(data):
    for i in range(2):
        mask = np.array(Image.open(data / f'annotations/{i}.png'))
        Image.fromarray(np.where(mask == 255, 2, mask)).save(data / f'annotations/{i}.png')
    path = config(data)
    path.write_text(path.read_text() + 'model = dict(decode_head=[dict(ignore_index=2)])\n')
    class_weights.main([str(path), '--out', str(data / 'out')])
    weights = json.loads((data / 'out/inverse_frequency.json').read_text())
    total = np.delete(np.add(*COUNTS[:2]), 2)
    expected = np.insert(total.mean() / total, 2, 1)
    np.testing.assert_allclose(weights, expected, rtol=1e-4)


def test_the_ignored_label_is_that_of_the_head(data):
    mask = np.array(Image.open(data / 'annotations/0.png'))
    Image.fromarray(np.where(mask == 255, 100, mask).astype(np.uint8)).save(
        data / 'annotations/0.png'
    )
    with pytest.raises(
        DataError, match=r'0\.png contains the label 100, .* ignored pixels are 255'
    ):
        run(data)
    path = config(data)
    path.write_text(path.read_text() + 'model = dict(decode_head=dict(ignore_index=100))\n')
    (data / 'train.txt').write_text('0\n')
    with pytest.raises(DataError, match='no training image contains'):  # two classes are absent
        class_weights.main([str(path), '--out', str(data / 'out')])


def test_the_printed_lines_serve_in_a_config(data, capsys):
    found = run(data)
    printed = capsys.readouterr().out
    assert '2 training images' in printed
    for kind, values in found.items():
        assert f"class_weight='{data / 'out' / kind}.json'\nclass_weight={values}" in printed


@pytest.mark.parametrize('loss', ['CrossEntropyLoss', 'SoftmaxFocalLoss'])
def test_losses_take_the_file(data, loss):
    weights = run(data)['median_frequency']
    logits, label = torch.randn(2, 5, 4, 4), torch.randint(0, 5, (2, 4, 4))
    path = str(data / 'out' / 'median_frequency.json')
    from_file, from_list = (
        MODELS.build(dict(type=loss, class_weight=value))(logits, label, ignore_index=255)
        for value in (path, weights)
    )
    plain = MODELS.build(dict(type=loss))(logits, label, ignore_index=255)
    torch.testing.assert_close(from_file, from_list)
    assert not torch.isclose(from_file, plain)


def write(data, values):
    mask = np.resize(np.array(values, np.uint8), 20).reshape(4, 5)
    Image.fromarray(mask).save(data / 'annotations' / '0.png')


DAMAGES = {
    'absent class': (
        lambda d: (d / 'train.txt').write_text('0\n'),
        'no training image contains extracellular or intracellular, so the weights are not defined',
    ),
    'unknown label': (lambda d: write(d, [0, 9]), r'0\.png contains the label 9, but .* only 5'),
    'no mask': (lambda d: (d / 'annotations/0.png').unlink(), r'annotations/0\.png'),
    'empty split': (lambda d: (d / 'train.txt').write_text(''), r'train\.txt is empty: run'),
    'no split': (lambda d: (d / 'train.txt').unlink(), r'train\.txt is missing: run'),
}


@pytest.mark.parametrize('name', DAMAGES)
def test_wrong_input_is_an_error_and_writes_nothing(data, name):
    damage, message = DAMAGES[name]
    damage(data)
    with pytest.raises((DataError, OSError), match=message):
        run(data)
    assert not (data / 'out').exists()


def test_a_pipeline_without_annotations_is_refused(data):
    path = config(data)
    path.write_text(path.read_text().replace("dict(type='LoadAnnotations'),", ''))
    with pytest.raises(DataError, match='DrosophilaDataset loads no annotations: add Load'):
        class_weights.main([str(path)])


def test_as_a_process(data):
    path = config(data)

    def process(*arguments) -> CompletedProcess:
        return run_script(class_weights.__file__, *arguments, cwd=data)

    done = process(path, '--out', 'out')
    assert done.returncode == 0, done.stderr
    assert (data / 'out' / 'inverse_frequency.json').is_file()
    (data / 'train.txt').write_text('')
    failed = process(path, '--out', 'out')
    assert failed.returncode == 1
    assert 'train.txt is empty' in failed.stderr.splitlines()[-1]
    assert 'Traceback' not in failed.stderr
    missing = process('nothing.py')
    assert missing.returncode == 1
    assert missing.stderr.splitlines()[-1] == 'error: nothing.py is missing: name a config file'


@pytest.mark.real_data
def test_weights_in_the_covid19_config(root, real_data, tmp_path, monkeypatch):
    pytest.importorskip('nibabel', reason='needs nibabel')
    from tools.dataset_converters import covid19

    covid19.main([str(real_data / 'covid19'), '--out', str(tmp_path / 'data')])
    monkeypatch.setenv('COVID19_ROOT', str(tmp_path / 'data'))
    path = root / 'configs/_base_/datasets/covid19.py'
    for fold in range(4):
        monkeypatch.setenv('FOLD', str(fold))
        class_weights.main([str(path), '--out', str(tmp_path / 'out')])
        found = json.loads((tmp_path / 'out' / 'median_frequency.json').read_text())
        assert Config.fromfile(path).class_weight == found


def test_masks_that_cannot_be_loaded_are_named(data, monkeypatch):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 5)
    with pytest.raises(DataError, match=r'0\.png has 20 pixels, more than the 10 that Pillow'):
        run(data)
    monkeypatch.undo()
    mask = data / 'annotations/1.png'
    mask.write_bytes(mask.read_bytes()[:-30])
    with pytest.raises(DataError, match=r'annotations/1\.png is truncated or damaged'):
        run(data)


def test_labels_beyond_8_bits_are_no_others(data):
    labels = np.array(Image.open(data / 'annotations/1.png')).astype(np.uint16)
    Image.fromarray(labels).save(data / 'annotations/1.png')
    found = run(data)
    for kind, values in expected().items():
        assert found[kind] == pytest.approx(values, rel=1e-4)
    labels[0, 0] = 256
    Image.fromarray(labels).save(data / 'annotations/1.png')
    with pytest.raises(DataError, match=r'1\.png contains the label 256, but LoadAnnotations'):
        run(data)

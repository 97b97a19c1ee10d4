"""A published model is the trained one, and nothing else."""

import hashlib
import json
import re
import shutil

import numpy as np
import pytest
import torch
import yaml
from mmengine.config import Config
from PIL import Image

from mmseg_attn.apps.predict import Predictor, read_temperature, write_temperature
from mmseg_attn.apps.publish import find_published, publish
from mmseg_attn.apps.publish.config import prediction_config
from mmseg_attn.errors import CheckpointError, DataError, UsageError
from tests.libraries import needs_safetensors

pytestmark = needs_safetensors


@pytest.fixture
def folder(run, tmp_path):
    image = np.random.default_rng(1).integers(0, 256, (40, 56), np.uint8)
    Image.fromarray(image).save(tmp_path / 'shown.png')
    publish(
        run,
        tmp_path / 'out',
        name='blobs',
        license='cc-by-4.0',
        preview=tmp_path / 'shown.png',
    )
    return tmp_path / 'out'


def probabilities(config, weights) -> np.ndarray:
    image = np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8)
    predictor = Predictor(Config.fromfile(config), weights, maps=['probabilities'])
    ((_, result),) = predictor.predict([('x', image)])
    return result.maps['probabilities']


def test_it_predicts_what_the_trained_model_does(run, folder):
    expected = probabilities(run.config, run.checkpoint)
    assert np.ptp(expected) > 0.01
    np.testing.assert_array_equal(probabilities(*find_published(folder)), expected)


def test_nothing_is_downloaded_for_it():
    cfg = Config.fromfile('configs/unet/unet-b16_1xb4-600i_drosophila-128x128.py')
    backbone = cfg.model.backbone
    no = dict(pretrained=False)
    for given, expected in (
        (dict(pretrained=True), no),
        (dict(pretrained='weights.pth'), {}),
        (dict(type='mmseg.TIMMBackbone'), no),  # True by default
        (dict(type='TIMMBackbone', pretrained='weights.pth'), no),
    ):
        cfg.model.backbone = dict(backbone, **given)
        kept = prediction_config(cfg, classes=['a'], palette=[[0, 0, 0]]).model.backbone
        assert {key: kept[key] for key in kept if key == 'pretrained'} == expected


def test_the_lines_of_the_card_run_in_the_host(folder):
    text = (folder / 'README.md').read_text()
    (code,) = re.findall(r'```python\n(.*?)```', text, re.S)
    code = code.replace('FOLDER', str(folder)).replace(
        'image.png', str(folder.parent / 'shown.png')
    )
    names = {}
    exec(code, names)
    model = names['model']
    image = np.asarray(Image.open(folder.parent / 'shown.png'))
    ((_, labels),) = Predictor(Config.fromfile(folder / 'config.py'), folder / 'model.safetensors')(
        [('shown', image)]
    )
    np.testing.assert_array_equal(names['labels'][0], labels)
    trained = torch.load(next(folder.parent.rglob('best*.pth')), weights_only=True)['state_dict']
    for name, values in model.state_dict().items():
        torch.testing.assert_close(values, trained[name], rtol=0, atol=0)
    assert [*model.dataset_meta['classes']][2] == 'synapse'


def test_nothing_of_the_machine_is_in_it(folder, tmp_path):
    texts = [path for path in folder.iterdir() if path.suffix not in ('.png', '.safetensors')]
    assert len(texts) == 5
    for path in (*texts, folder / 'model.safetensors'):
        content = path.read_bytes()
        assert str(tmp_path).encode() not in content, path
        assert b'start.pth' not in content, path


def test_the_checksums_are_those_of_the_files(folder):
    lines = (folder / 'SHA256SUMS').read_text().splitlines()
    sums = {line[66:]: line[:64] for line in lines}
    assert [*sums] == ['README.md', 'config.py', 'model.json', 'model.safetensors', 'preview.png']
    for name, checksum in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == checksum


def test_the_card(folder):
    _, block, text = (folder / 'README.md').read_text().split('---\n', 2)
    metadata = yaml.safe_load(block)
    assert metadata['license'] == 'cc-by-4.0'
    assert metadata['pipeline_tag'] == 'image-segmentation'
    (result,) = metadata['model-index'][0]['results']
    assert result['metrics'] == [dict(type='mean_iou', name='mean IoU', value=61.25)]
    assert '| synapse | 40.50 |' in text
    assert '| membrane | 71.12 |' in text
    assert '| mean | 61.25 |' in text
    assert '| 2 | synapse | #' in text
    assert '![an image and its prediction](preview.png)' in text
    assert Image.open(folder / 'preview.png').size[0] > 56
    content = json.loads((folder / 'model.json').read_text())
    assert content['classes'][2] == 'synapse'
    assert content['metrics']['IoU.membrane'] == 71.1235


def test_the_temperature_comes_along(run, tmp_path):
    write_temperature(run.checkpoint, 2.5)
    publish(run, tmp_path / 'out', name='x')
    weights = find_published(tmp_path / 'out').weights
    assert read_temperature(weights) == 2.5
    assert 'model.temperature.json' in (tmp_path / 'out/SHA256SUMS').read_text()


def test_without_scores_and_without_a_picture(run, tmp_path):
    for file in run.folder.rglob('*.json'):
        file.unlink()
    run.__dict__.pop('log', None)
    run.launches.clear()
    publish(run, tmp_path / 'out', name='x')
    text = (tmp_path / 'out/README.md').read_text()
    assert 'Not measured.' in text
    assert 'preview' not in text
    assert 'model-index' not in text


def test_scores_of_a_validation_name_its_data(run, tmp_path):
    shutil.rmtree(run.folder / 'test')
    publish(run, tmp_path / 'out', name='x')
    text = (tmp_path / 'out/README.md').read_text()
    assert 'splits/fold0/val.txt (validation at iteration 100, from the log).' in text
    assert 'test.txt' not in text
    metrics = json.loads((tmp_path / 'out/model.json').read_text())['metrics']
    assert not {'time', 'data_time', 'step'} & metrics.keys()


def test_scores_that_are_no_fractions(run, tmp_path):
    (file,) = run.folder.glob('test/*/*.json')
    file.write_text('{"MAE": 0.25}')
    publish(run, tmp_path / 'out', name='x')
    text = (tmp_path / 'out/README.md').read_text()
    assert '| MAE | 0.25 |' in text
    assert 'In percent' not in text


def test_other_weights_in_the_folder_are_refused(folder):
    file = folder / 'model.safetensors'
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(CheckpointError, match='is not the file that was published'):
        find_published(folder)


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(UsageError, match=r'is a folder without config\.py: name a config file'):
        find_published(tmp_path)


def test_a_run_without_a_checkpoint(run, tmp_path):
    run.checkpoint = None
    with pytest.raises(DataError, match='contains no checkpoint: name the work directory'):
        publish(run, tmp_path / 'out', name='x')
    assert not (tmp_path / 'out').exists()


def test_an_ensemble(run, tmp_path):
    run.cfg.model = dict(type='EnsembleSegmentor', configs=['a.py'], checkpoints=['a.pth'])
    with pytest.raises(UsageError, match='is an ensemble: publish each of its models'):
        publish(run, tmp_path / 'out', name='x')


def test_a_preview_that_is_no_image(run, tmp_path):
    (tmp_path / 'shown.png').write_text('text')
    with pytest.raises(DataError, match=r'shown\.png is truncated or damaged'):
        publish(run, tmp_path / 'out', name='x', preview=tmp_path / 'shown.png')
    assert not (tmp_path / 'out').exists()


def test_the_data_of_a_project_has_its_name(run, tmp_path):
    project = tmp_path / 'cells'
    run.cfg.project = str(project)
    run.cfg.test_dataloader.dataset.ann_file = str(project / 'splits/fold0/test.txt')
    publish(run, tmp_path / 'out', name='x')
    content = json.loads((tmp_path / 'out/model.json').read_text())
    assert content['data'] == 'cells, fold0/test.txt'
    run.cfg.project = str(tmp_path / 'other')  # not that of the test data
    publish(run, tmp_path / 'out', name='x')
    content = json.loads((tmp_path / 'out/model.json').read_text())
    assert content['data'] == 'DrosophilaDataset, fold0/test.txt'
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data/conversion.json').write_text('{"synthetic_stack": {"seed": 0}}')
    run.cfg.test_dataloader.dataset.data_root = str(tmp_path / 'data')
    publish(run, tmp_path / 'out', name='x')
    content = json.loads((tmp_path / 'out/model.json').read_text())
    assert content['data'] == 'DrosophilaDataset, fold0/test.txt, synthetic images'

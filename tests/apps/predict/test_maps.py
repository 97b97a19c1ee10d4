"""Maps of probabilities and uncertainty: what the files say is what was predicted."""

import csv
from math import log
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from mmseg_attn.apps.predict import MAPS, FileContent, MapResults, Prediction, read_content
from mmseg_attn.errors import UsageError

CLASSES = ['cell body', 'rim', 'none/other']
FOLDERS = ['0_cell-body', '1_rim', '2_none-other']


def prediction(seed: int) -> Prediction:
    raw = np.random.default_rng(seed).random((3, 4, 5)) + 0.01
    p = raw / raw.sum(axis=0)
    p[:, 0, 0] = 0.95, 0.05, 0.0
    entropy = -np.sum(p * np.log(np.where(p > 0, p, 1)), axis=0, keepdims=True)
    maps = dict(probabilities=p, entropy=entropy, disagreement=entropy / 2)
    return Prediction(p.argmax(0).astype(np.uint8), {k: x.astype('f4') for k, x in maps.items()})


def write(folder: Path, source: Path, content: FileContent, predictions: list[Prediction]) -> None:
    results = MapResults(folder, classes=CLASSES, names=MAPS)
    maps = results.start('x', content)
    for each in predictions:
        maps.append(each)
    results.write(source, 'x', content, content.slices, maps)


def content_of(tmp_path: Path, name: str, slices: int = 1) -> tuple[Path, FileContent]:
    path = tmp_path / name
    if 'nii' in name:
        nibabel = pytest.importorskip('nibabel')
        nibabel.save(
            nibabel.Nifti1Image(np.zeros((5, 4, slices), 'u1'), np.diag([2, 2, 3, 1])), path
        )
    else:
        first, *others = [Image.new('L', (5, 4))] * slices
        first.save(path, **(dict(save_all=True, append_images=others) if others else {}))
    return path, read_content(path)


def test_an_image(tmp_path):
    path, content = content_of(tmp_path, 'x.png')
    predicted = prediction(1)
    write(tmp_path, path, content, [predicted])
    for number, folder in enumerate(FOLDERS):
        image = Image.open(tmp_path / f'probabilities/{folder}/x.png')
        off = np.asarray(image) / 255 - predicted.maps['probabilities'][number]
        assert abs(off).max() <= 0.5 / 255 + 1e-6
        what = f'probability of class {number} ({CLASSES[number]})'
        assert image.text == {'Description': f'{what}: 0 to 255 stand for 0 to 1'}
    for kind in ('entropy', 'disagreement'):
        image = Image.open(tmp_path / f'{kind}/x.png')
        off = np.asarray(image) * log(3) / 255 - predicted.maps[kind][0]
        assert abs(off).max() <= 0.5 * log(3) / 255 + 1e-6
        text = f'{kind}: 0 to 255 stand for 0 to {log(3):.6g} nats'
        assert image.text == {'Description': text}


def test_pages(tmp_path):
    path, content = content_of(tmp_path, 'x.tif', 2)
    predicted = [prediction(1), prediction(2)]
    write(tmp_path, path, content, predicted)
    with Image.open(tmp_path / 'entropy/x.tif') as image:
        pages = [np.array(page) for page in ImageSequence.Iterator(image)]
        assert 'stand for 0 to 1.09861 nats' in image.tag_v2[270]
    for page, each in zip(pages, predicted, strict=True):
        np.testing.assert_allclose(page * log(3) / 255, each.maps['entropy'][0], atol=0.003)


@pytest.mark.parametrize('name', ['x.nii', 'x.nii.gz'])
def test_a_volume_has_its_scale_in_the_header(tmp_path, name):
    nibabel = pytest.importorskip('nibabel')
    path, content = content_of(tmp_path, name, 2)
    predicted = [prediction(1), prediction(2)]
    write(tmp_path, path, content, predicted)
    volume = nibabel.load(tmp_path / f'probabilities/1_rim/{name}')
    np.testing.assert_array_equal(volume.affine, nibabel.load(path).affine)
    expected = np.stack([each.maps['probabilities'][1] for each in predicted]).T
    np.testing.assert_allclose(volume.get_fdata(), expected, atol=0.5 / 255 + 1e-6)


def test_the_table_has_the_means_of_every_slice(tmp_path):
    path, content = content_of(tmp_path, 'x.tif', 2)
    predicted = [prediction(1), prediction(2)]
    write(tmp_path, path, content, predicted)
    with (tmp_path / 'uncertainty.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    for k, (row, each) in enumerate(zip(rows, predicted, strict=True)):
        assert (row['file'], row['slice']) == (str(path), str(k))
        for name in ('entropy', 'disagreement'):
            assert float(row[f'mean_{name}']) == pytest.approx(each.maps[name].mean(), rel=1e-5)
        sure = each.maps['probabilities'].max(0) >= 0.9
        assert sure[0, 0]
        percent = 100 * (1 - sure.mean())
        assert float(row['percent_below_0.9']) == pytest.approx(percent, abs=1e-3)


def test_without_disagreement_the_column_is_empty(tmp_path):
    path, content = content_of(tmp_path, 'x.png')
    predicted = prediction(1)
    del predicted.maps['disagreement']
    results = MapResults(tmp_path, classes=CLASSES, names=['entropy'])
    maps = results.start('x', content)
    maps.append(predicted)
    results.write(path, 'x', content, content.slices, maps)
    with (tmp_path / 'uncertainty.csv').open(newline='') as file:
        (row,) = csv.DictReader(file)
    assert row['mean_disagreement'] == ''
    assert not (tmp_path / 'probabilities').exists()


def test_probabilities_of_named_classes(tmp_path):
    path, content = content_of(tmp_path, 'x.png')
    predicted = prediction(1)
    results = MapResults(
        tmp_path, classes=CLASSES, names=['probabilities'], only=['none/other', 'cell body']
    )
    maps = results.start('x', content)
    maps.append(predicted)
    results.write(path, 'x', content, content.slices, maps)
    written = sorted(folder.name for folder in (tmp_path / 'probabilities').iterdir())
    assert written == [FOLDERS[0], FOLDERS[2]]
    image = Image.open(tmp_path / f'probabilities/{FOLDERS[2]}/x.png')
    expected = np.round(255 * predicted.maps['probabilities'][2])
    np.testing.assert_array_equal(np.asarray(image), expected)
    assert image.text['Description'].startswith('probability of class 2 (none/other)')
    assert not (tmp_path / 'uncertain').exists()  # without entropy


def test_a_class_that_the_model_does_not_have(tmp_path):
    message = "the model has no class 'body': name one of cell body, rim, none/other"
    with pytest.raises(UsageError, match=message):
        MapResults(tmp_path, classes=CLASSES, names=['probabilities'], only=['rim', 'body'])


def test_every_slice_has_a_drawing_of_its_uncertainty(tmp_path):
    path, content = content_of(tmp_path, 'x.tif', 2)
    predicted = [prediction(1), prediction(2)]
    for each, nats in zip(predicted, (0, log(3)), strict=True):
        each.maps['entropy'][:] = nats
    write(tmp_path, path, content, predicted)
    sure, unsure = (np.asarray(Image.open(tmp_path / f'uncertain/x_slices/{k}.png')) for k in '01')
    assert sure.shape == unsure.shape
    row, column = 26 + 100, 6 + 320 + 6 + 100  # in the right panel
    assert sure[row, column].tolist() == [0, 0, 0]
    assert unsure[row, column].tolist() == [240, 249, 33]  # the last color of plasma
    np.testing.assert_array_equal(sure[:200, :320], unsure[:200, :320])

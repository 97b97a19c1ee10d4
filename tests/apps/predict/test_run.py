import csv
import os
import re
import shutil
import sys
import warnings

import numpy as np
import pytest
from PIL import Image, ImageSequence

from mmseg_attn.apps.predict import (
    FileContent,
    Intensities,
    Prediction,
    Results,
    find_items,
    predict_files,
    read_content,
)
from tests.apps.predict.stand_ins import Rule
from tests.processes import HANG

CLASSES, PALETTE = ['dark', 'light'], [[0, 0, 200], [250, 200, 0]]


GRAY = np.arange(108, dtype=np.uint8).reshape(12, 9)


def threshold() -> Rule:
    """A predictor that calls values above 100 light and rejects images of 13 rows."""
    return Rule(lambda x: RuntimeError('13 is\nno size') if len(x) == 13 else light(x))


def light(image: np.ndarray) -> Prediction:
    return Prediction((image > 100).astype('u1'), {})


@pytest.fixture
def predict(tmp_path):
    """Predict everything in tmp_path/in; return the report and the results."""

    def predict(**rule):
        folder = tmp_path / 'out'
        folder.mkdir()
        items, _ = find_items([tmp_path / 'in'], exclude=folder)
        results = Results(folder, classes=CLASSES, palette=PALETTE)
        intensities = Intensities([item.path for item in items], **rule)
        return predict_files(threshold(), items, results, intensities=intensities), results

    (tmp_path / 'in').mkdir()
    return predict


def table(folder) -> list[dict]:
    with (folder / 'pixels.csv').open(newline='') as file:
        return list(csv.DictReader(file))


def noise(seed: int, rows: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (rows, 9), dtype=np.uint8)


def test_masks_overlays_and_a_table(predict, tmp_path):
    for i in range(2):
        Image.fromarray(noise(i)).save(tmp_path / f'in/{i}.png')
    report, results = predict()
    assert [name for name, _ in report.done.values()] == ['0', '1']
    assert report.failed == {}
    rows = table(results.folder)
    assert len(rows) == 4
    total = 0
    for i in range(2):
        expected = (noise(i) > 100).astype(np.uint8)
        mask = Image.open(tmp_path / f'out/masks/{i}.png')
        assert mask.mode == 'L'
        np.testing.assert_array_equal(np.array(mask), expected)
        light = rows[2 * i + 1]
        assert light['file'] == str(tmp_path / f'in/{i}.png')
        assert light['mask'] == f'masks/{i}.png'
        assert (light['class'], light['slice'], light['area_mm2']) == ('light', '0', '')
        assert int(light['pixels']) == expected.sum()
        assert float(light['percent']) == pytest.approx(100 * expected.mean(), abs=1e-4)
        total += expected.sum()
        with Image.open(tmp_path / f'out/overlays/{i}.png') as overlay:
            assert tuple(PALETTE[1]) in {color for _, color in overlay.getcolors(2**20)}
    assert results.pixels.tolist() == [2 * 12 * 9 - total, total]


def test_the_overlay_shows_the_image_and_its_labels(predict, tmp_path):
    image = np.full((320, 320), 200, np.uint8)
    image[:, :160] = 40
    Image.fromarray(image).save(tmp_path / 'in/x.png')
    predict()
    drawn = np.array(Image.open(tmp_path / 'out/overlays/x.png'))
    row, left = drawn[26 + 160], 6 + 326
    assert row[6 + 80].tolist() == [40, 40, 40]
    assert row[6 + 240].tolist() == [200, 200, 200]
    assert row[left + 80].tolist() == [20, 20, 120]
    assert row[left + 240].tolist() == [225, 200, 100]


@pytest.mark.skipif(sys.platform != 'linux', reason='names of files are bytes on Linux alone')
def test_a_name_that_is_not_utf_8(predict, tmp_path):
    tifffile = pytest.importorskip('tifffile')
    image, stack = (tmp_path / 'in' / os.fsdecode(name) for name in (b'a\xe4.png', b'b\xe4.tif'))
    Image.fromarray(noise(0)).save(image)
    tifffile.imwrite(stack, np.stack([noise(1), noise(2)]), photometric='minisblack')
    report, results = predict()
    assert [*report.done] == [image, stack]
    assert b'in/a\xe4.png' in (results.folder / 'pixels.csv').read_bytes()
    with (results.folder / 'masks' / stack.name).open('rb') as file, Image.open(file) as mask:
        assert mask.n_frames == 2


def test_pages_are_written_as_pages(predict, tmp_path):
    pages = [noise(0), noise(1, rows=5), noise(2)]
    images = [Image.fromarray(page) for page in pages]
    images[0].save(tmp_path / 'in/x.tif', save_all=True, append_images=images[1:])
    report, results = predict()
    assert report.slices == 3
    with Image.open(tmp_path / 'out/masks/x.tif') as mask:
        for k, page in enumerate(pages):
            mask.seek(k)
            np.testing.assert_array_equal(np.array(mask), page > 100)
    drawn = sorted((tmp_path / 'out/overlays/x_slices').iterdir())
    assert [path.name for path in drawn] == ['0.png', '1.png', '2.png']
    assert [row['slice'] for row in table(results.folder)] == list('001122')


@pytest.mark.parametrize('name', ['x.nii', 'x.nii.gz'])
@pytest.mark.parametrize('shape', [(9, 12, 4), (9, 12)])
def test_volumes_are_written_in_their_place(predict, tmp_path, name, shape):
    nibabel = pytest.importorskip('nibabel')
    volume = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    affine = np.array([[0, -0.5, 0, 3], [0.25, 0, 0, 5], [0, 0, 4, 7], [0, 0, 0, 1]])
    image = nibabel.Nifti1Image(volume, affine)
    image.header.set_xyzt_units('mm')
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=2)
    nibabel.save(image, tmp_path / 'in' / name)
    report, results = predict()
    assert report.medical == 1
    mask = nibabel.load(tmp_path / 'out/masks' / name)
    np.testing.assert_array_equal(mask.affine, affine)
    assert mask.get_data_dtype() == np.uint8
    assert mask.shape == shape
    np.testing.assert_array_equal(np.asarray(mask.dataobj), volume > 100)
    for key in ('sform_code', 'qform_code', 'pixdim', 'xyzt_units'):
        np.testing.assert_array_equal(
            mask.header[key], nibabel.load(image.get_filename()).header[key]
        )
    light = table(results.folder)[1]
    first = volume[..., 0].T if volume.ndim == 3 else volume.T
    assert int(light['pixels']) == (first > 100).sum()
    assert float(light['area_mm2']) == pytest.approx((first > 100).sum() * 0.125)


@pytest.mark.parametrize('unit', ['mm', 'unknown'])
def test_volumes_have_volumes(predict, tmp_path, unit):
    """Without a unit of length, millimeters are assumed, and it is said."""
    nibabel = pytest.importorskip('nibabel')
    volume = np.random.default_rng(0).integers(0, 256, (9, 12, 4), dtype=np.uint8)
    image = nibabel.Nifti1Image(volume, np.diag([0.5, 0.25, 4, 1]))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / 'in/x.nii')
    report, results = predict()
    light = [row for row in table(results.folder) if row['class'] == 'light']
    total = sum(float(row['volume_mm3']) for row in light)
    assert total == pytest.approx((volume > 100).sum() * 0.5)
    area = sum(float(row['area_mm2']) for row in light)
    assert area == pytest.approx((volume > 100).sum() * 0.125)
    note = 'no unit of length, so millimeters are assumed'
    assert dict(report.notes) == ({} if unit == 'mm' else {note: [tmp_path / 'in/x.nii']})
    assert report.without_area == 0


@pytest.mark.parametrize('value', [0, np.nan, np.inf])
def test_an_sform_without_meaning_is_replaced_by_pixdim(predict, tmp_path, value):
    """Some programs write zeros or NaN; the mask has the header of its volume."""
    nibabel = pytest.importorskip('nibabel')
    volume = np.random.default_rng(0).integers(0, 256, (9, 12, 4), dtype=np.uint8)
    image = nibabel.Nifti1Image(volume, np.diag([0.5, 0.25, 4, 1]))
    image.header.set_xyzt_units('mm')
    path = tmp_path / 'in/x.nii'
    nibabel.save(image, path)
    data = bytearray(path.read_bytes())
    data[280:328] = np.full(12, value, '<f4').tobytes()  # the rows of the sform
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        report, results = predict()
    assert not report.failed
    light = [row for row in table(results.folder) if row['class'] == 'light']
    area = sum(float(row['area_mm2']) for row in light)
    assert area == pytest.approx((volume > 100).sum() * 0.5 * 0.25)
    assert list(report.notes) == ['singular or not finite sform, so pixdim was used']
    mask = nibabel.load(tmp_path / 'out/masks/x.nii')
    np.testing.assert_array_equal(mask.affine[:3], np.full((3, 4), value))
    np.testing.assert_array_equal(np.asarray(mask.dataobj), volume > 100)


def test_nifti_2_comes_back_as_nifti_2(predict, tmp_path):
    nibabel = pytest.importorskip('nibabel')
    volume = np.random.default_rng(0).integers(0, 256, (9, 12, 4), dtype=np.uint8)
    nibabel.save(nibabel.Nifti2Image(volume, np.eye(4)), tmp_path / 'in/x.nii.gz')
    predict()
    mask = nibabel.load(tmp_path / 'out/masks/x.nii.gz')
    assert isinstance(mask, nibabel.Nifti2Image)
    np.testing.assert_array_equal(np.asarray(mask.dataobj), volume > 100)


@pytest.mark.parametrize('kind', ['png', 'tif', 'nii'])
def test_labels_beyond_255_are_written(tmp_path, kind):
    source = FileContent([GRAY, GRAY][: 1 if kind == 'png' else 2])
    name = f'x.{kind}'
    if kind == 'nii':
        nibabel = pytest.importorskip('nibabel')
        nibabel.save(nibabel.Nifti1Image(np.stack([GRAY] * 2).T, np.eye(4)), tmp_path / name)
        source = read_content(tmp_path / name)
    classes = [f'c{i}' for i in range(300)]
    results = Results(tmp_path, classes=classes, palette=[[i % 256, 0, 0] for i in range(300)])
    labels = [(np.arange(108).reshape(12, 9) + 192 + k).astype(np.uint16) for k in range(2)]
    labels = [np.minimum(each, 299) for each in labels][: len(source.slices)]
    results.write(tmp_path / name, 'x', source, source.slices, labels)
    if kind == 'nii':
        read = np.asarray(nibabel.load(tmp_path / 'masks/x.nii').dataobj).T
    else:
        with Image.open(tmp_path / f'masks/{name}') as mask:
            read = [np.array(page) for page in ImageSequence.Iterator(mask)]
    np.testing.assert_array_equal(read, labels)
    assert results.pixels[299] == sum((each == 299).sum() for each in labels)
    assert results.pixels[43] == 0


@pytest.mark.parametrize('bands', [2, 3, 4, 5])
def test_overlays_of_any_number_of_bands(tmp_path, bands):
    """Three and more are drawn as red, green and blue, fewer as gray; the model saw BGR."""
    image = np.zeros((320, 320, bands), np.float32)
    image[..., 0] = np.linspace(0, 3, 320)
    results = Results(tmp_path, classes=CLASSES, palette=PALETTE)
    labels = [np.full((320, 320), 200, np.uint8)]  # no class, no color
    results.classes = ['x'] * 201
    results.pixels = np.zeros(201, np.int64)
    results.write(tmp_path / 'x.tif', 'x', FileContent([image]), [image], labels)
    row = np.array(Image.open(tmp_path / 'overlays/x.png'))[26 + 160]
    assert row[6 + 319].tolist() == ([255] * 3 if bands == 2 else [0, 0, 255])


def test_large_images_are_drawn_small(tmp_path):
    image = np.zeros((5000, 2500), np.uint8)
    results = Results(tmp_path, classes=CLASSES, palette=PALETTE)
    image[2500:] = 1
    results.write(tmp_path / 'x.png', 'x', FileContent([image]), [image], [image])
    drawn = np.array(Image.open(tmp_path / 'overlays/x.png'))
    assert drawn.shape[0] < 1200
    assert results.pixels.tolist() == [2500 * 2500] * 2
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / 'masks/x.png')), image)


def test_scaled_volumes_give_unscaled_labels(predict, tmp_path):
    nibabel = pytest.importorskip('nibabel')
    image = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))
    image.header.set_slope_inter(50, -300)  # -300 to 850
    nibabel.save(image, tmp_path / 'in/x.nii')
    report, _ = predict(window=(0, 255))
    assert report.medical == 0  # its values were converted
    ((_, done),) = report.done.values()
    values = np.asarray(nibabel.load(tmp_path / 'in/x.nii').dataobj)
    assert done == ((0, 255), np.mean((values < 0) | (values > 255)))
    mask = nibabel.load(tmp_path / 'out/masks/x.nii')
    np.testing.assert_array_equal(np.asarray(mask.dataobj), values > 100)


def test_what_is_broken_is_named_and_the_rest_is_done(predict, tmp_path, capsys):
    for name in ('a', 'b', 'c'):
        Image.fromarray(noise(0)).save(tmp_path / f'in/{name}.png')
    (tmp_path / 'in/b.png').write_bytes(b'no image')
    Image.fromarray(noise(0, rows=13)).save(tmp_path / 'in/size.png')
    Image.fromarray(noise(0).astype(np.uint16)).save(tmp_path / 'in/deep.png')
    good = Image.fromarray(noise(0))
    bad = Image.fromarray(noise(0, rows=13))
    good.save(tmp_path / 'in/pages.tif', save_all=True, append_images=[bad, good])
    report, results = predict()
    assert [path.name for path in report.done] == ['a.png', 'c.png']
    reasons = {path.name: reason for path, reason in report.failed.items()}
    assert sorted(reasons) == ['b.png', 'deep.png', 'pages.tif', 'size.png']
    assert 'is truncated or damaged' in reasons['b.png']
    assert 'contains uint16 values' in reasons['deep.png']
    rejected = 'was rejected by the model (13 is no size): use images like the training images'
    assert reasons['size.png'].endswith(f'size.png {rejected}')
    assert rejected in reasons['pages.tif']
    written = {path.stem for path in results.folder.rglob('*') if path.is_file()}
    assert written == {'a', 'c', 'pixels'}
    assert {row['file'][-5:] for row in table(results.folder)} == {'a.png', 'c.png'}
    err = capsys.readouterr().err
    assert all(f'skipped: {reason}' in err for reason in reasons.values())


def test_memory_that_does_not_suffice_has_a_remedy(predict, tmp_path, monkeypatch):
    def fail(self, images, **_):
        yield from ((key, RuntimeError('CUDA out of memory. Tried 3 GiB')) for key, _ in images)

    monkeypatch.setattr(Rule, 'predict', fail)
    Image.fromarray(noise(0)).save(tmp_path / 'in/x.png')
    report, _ = predict()
    assert 'does not fit into the memory: use --window' in str(report.failed)


def test_a_missing_file_is_skipped(tmp_path):
    items, _ = find_items([tmp_path / 'x.png'], exclude=tmp_path / 'out')
    (tmp_path / 'out').mkdir()
    results = Results(tmp_path / 'out', classes=CLASSES, palette=PALETTE)
    report = predict_files(threshold(), items, results, intensities=Intensities([]))
    assert report.failed == {
        tmp_path / 'x.png': f'{tmp_path}/x.png cannot be read: No such file or directory'
    }


@pytest.fixture
def two_files(tmp_path):
    pages = [Image.fromarray(noise(i)) for i in range(3)]
    pages[0].save(tmp_path / 'in/a.tif', save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / f'in/b{"b" * 50}.png')


def test_progress_is_a_line_that_changes(predict, two_files, capsys, monkeypatch):
    monkeypatch.setattr('mmseg_attn.apps.predict.progress.PAUSE', 0)
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    monkeypatch.setenv('COLUMNS', '70')
    predict()
    err = capsys.readouterr().err
    assert re.search(r'file 1/2, slice 2/3, 17%, about \d+:\d\d:\d\d left: a.tif', err)
    assert 'file 2/2, 100%, about 0:00:00 left: bb' in err
    assert '\n' not in err
    assert max(map(len, err.split('\r'))) == 69  # a longer one would go on in the next line


def test_progress_in_a_file_is_a_line_now_and_then(
    predict, two_files, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr('mmseg_attn.apps.predict.progress.LOG_PAUSE', HANG)
    predict()
    assert capsys.readouterr().err == ''
    shutil.rmtree(tmp_path / 'out')
    monkeypatch.setattr('mmseg_attn.apps.predict.progress.LOG_PAUSE', 0)
    predict()
    lines = capsys.readouterr().err.splitlines()
    assert re.match(r'file 1/2, slice 2/3, 17%, about \d+:\d\d:\d\d left: ', lines[0])
    assert len(lines) == 4
    assert '\r' not in ''.join(lines)


def test_the_windows_of_a_large_image_are_counted(predict, tmp_path, capsys, monkeypatch):
    def slides(self, images, **_):
        for key, image in images:
            for window in range(1, 5):
                self.windows.watch(key, window, 4)
            yield key, light(image)

    monkeypatch.setattr(Rule, 'predict', slides)
    monkeypatch.setattr('mmseg_attn.apps.predict.progress.LOG_PAUSE', 0)
    pages = [Image.fromarray(noise(i)) for i in range(2)]
    pages[0].save(tmp_path / 'in/a.tif', save_all=True, append_images=pages[1:])
    predict()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith('file 1/1, slice 1/2, window 1/4, 12%, about 0:00:0')
    assert lines[6].startswith('file 1/1, slice 2/2, window 2/4, 75%, about')


def test_notes_stay(predict, tmp_path, capsys):
    (tmp_path / 'in/x.png').write_bytes(b'no image')
    predict()
    err = capsys.readouterr().err
    assert err.startswith('skipped: ')
    assert err.endswith('\n')
    assert '\r' not in err

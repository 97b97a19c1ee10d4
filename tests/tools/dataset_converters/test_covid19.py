import gzip
import json
from itertools import chain

import numpy as np
import pytest
from PIL import Image

from mmseg_attn.errors import DataError
from tests.processes import run_script
from tools.dataset_converters import covid19

nibabel = pytest.importorskip('nibabel', reason='needs nibabel: install mmseg_attn[medical]')

TOTALS = {
    'background': 18747943,
    'lungs other': 5680786,
    'ground glass': 1196461,
    'consolidation': 589210,
}


@pytest.fixture
def source(tmp_path):
    """Eight slices of 12x10 with every combination of mask and lungs, in Hounsfield units."""
    rng = np.random.default_rng(0)
    folder = tmp_path / 'source'
    folder.mkdir()
    image = rng.uniform(-2000, 1000, (12, 10, 8)).astype(np.float32)
    image[:, :, 5] = -1000
    save(folder / covid19.IMAGE, image)
    save(folder / covid19.MASK, rng.integers(0, 4, (12, 10, 8)).astype(float))
    save(folder / covid19.LUNGS, rng.integers(0, 3, (12, 10, 8)).astype(np.uint8))
    return folder


def save(path, volume):
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), path)


def load(path):
    return np.asarray(nibabel.load(path).dataobj)


def tree(folder):
    files = (path for path in folder.rglob('*') if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def read(path):
    image = Image.open(path)
    assert image.mode == 'L'
    return np.array(image)


def convert(source, out, *args):
    covid19.main([str(source), '--out', str(out), *args])
    return tree(out)


def test_upright_slices_masks_and_folds(source, tmp_path, capsys):
    out = tmp_path / 'data' / 'covid19'
    files = convert(source, out)
    stems = [f'{k:03d}' for k in range(8)]
    expected = [f'{kind}/{stem}.png' for kind in ('images', 'annotations') for stem in stems]
    expected += [
        f'splits/fold{i}/{name}.txt' for i in range(4) for name in ('train', 'val', 'test')
    ]
    assert sorted(files) == sorted([*expected, 'conversion.json'])

    image, mask, lungs = (
        load(source / name) for name in (covid19.IMAGE, covid19.MASK, covid19.LUNGS)
    )
    counts = [0, 0, 0, 0]
    for k, stem in enumerate(stems):
        gray, label = (read(out / kind / f'{stem}.png') for kind in ('images', 'annotations'))
        assert gray.shape == label.shape == (10, 12)
        for x in range(12):
            for y in range(10):
                level = 255 * (float(image[x, y, k]) + 1500) / 2000
                assert abs(gray[y, x] - min(max(level, 0), 255)) <= 0.5 + 1e-9
                lesion, lung = mask[x, y, k], lungs[x, y, k]
                kind = {1: 2, 2: 3, 3: 1}.get(lesion, 1 if lung in (1, 2) else 0)
                assert label[y, x] == kind
                counts[kind] += 1
    manifest = json.loads(files['conversion.json'])
    assert [manifest['pixels'][name] for name in TOTALS] == counts

    for i in range(4):
        names = [f'splits/fold{i}/{name}.txt' for name in ('train', 'val', 'test')]
        split = [files[name].decode().split() for name in names]
        assert sorted(chain(*split)) == stems
        assert list(map(len, split)) == [4, 2, 2]
    printed = capsys.readouterr().out
    assert '8 slices of 12x10' in printed
    below, above = (100 * np.mean(part) for part in (image < -1500, image > 500))
    assert 'window -1500 to 500 in 8 bits, 7.84 per gray level, ' in printed
    assert f'{below:.2f} percent below, {above:.2f} above' in printed
    assert 'blank slices, which are kept: 005' in printed
    assert 'fold3      4    2     2' in printed


def test_bytes_stay_as_they_are(source, tmp_path, capsys):
    image = np.random.default_rng(0).integers(0, 256, (12, 10, 8), dtype=np.uint8)
    save(source / covid19.IMAGE, image)
    convert(source, tmp_path / 'out')
    for k in range(8):
        pixels = read(tmp_path / 'out' / 'images' / f'{k:03d}.png')
        np.testing.assert_array_equal(pixels, image[:, :, k].T)
    printed = capsys.readouterr().out
    assert 'window 0 to 255 in 8 bits, 1 per gray level, 0.00 percent below, 0.00 above' in printed
    assert 'blank' not in printed


def test_a_window_of_the_user(source, tmp_path):
    image = np.arange(960, dtype=np.int16).reshape(12, 10, 8) * 4
    save(source / covid19.IMAGE, image)
    files = convert(source, tmp_path / 'out', '--window', '1000', '2000')
    pixels = read(tmp_path / 'out' / 'images' / '003.png').T.astype(float)
    np.testing.assert_array_less(
        abs(pixels - np.clip((image[:, :, 3] - 1000) * 0.255, 0, 255)), 0.5 + 1e-9
    )
    manifest = json.loads(files['conversion.json'])
    assert manifest['intensities']['window'] == [1000, 2000]
    assert manifest['intensities']['range'] == [0, 3836]
    assert manifest['intensities']['below_window'] == 250
    assert manifest['intensities']['above_window'] == 459


def test_twice_is_harmless_and_other_settings_replace(source, tmp_path, capsys):
    first = convert(source, tmp_path / 'out')
    capsys.readouterr()
    assert convert(source, tmp_path / 'out') == first
    assert '(already up to date)' in capsys.readouterr().out
    second = convert(source, tmp_path / 'out', '--seed', '1')
    assert second['images/000.png'] == first['images/000.png']
    assert second['splits/fold0/test.txt'] != first['splits/fold0/test.txt']


def change(path, place, value):
    volume = load(path).copy()
    volume[place] = value
    save(path, volume)


def damage_checksum(path):
    data = bytearray(path.read_bytes())
    data[-6] ^= 1
    path.write_bytes(data)


DAMAGES = {
    'no mask': (
        lambda s: (s / covid19.MASK).unlink(),
        r'source has no tr_mask\.nii\.gz: get all three',
    ),
    'nothing': (
        lambda s: [path.unlink() for path in s.iterdir()],
        r'source has no tr_im\.nii\.gz, tr_mask\.nii\.gz, tr_lungmasks_updated\.nii\.gz: get',
    ),
    'truncated image': (
        lambda s: (s / covid19.IMAGE).write_bytes((s / covid19.IMAGE).read_bytes()[:-20]),
        r'tr_im\.nii\.gz is truncated or damaged',
    ),
    'truncated before compression': (
        lambda s: (s / covid19.LUNGS).write_bytes(
            gzip.compress(gzip.decompress((s / covid19.LUNGS).read_bytes())[:-20])
        ),
        r'tr_lungmasks_updated\.nii\.gz is truncated or damaged',
    ),
    'checksum': (
        lambda s: damage_checksum(s / covid19.MASK),
        r'tr_mask\.nii\.gz is truncated or damaged: CRC check failed',
    ),
    'unknown lesion': (
        lambda s: change(s / covid19.MASK, np.s_[:2, 0, 0], 4),
        r'tr_mask\.nii\.gz contains unknown label values: 4 \(2 px\); the labels .* are 0 to 3',
    ),
    'interpolated lesion': (
        lambda s: change(s / covid19.MASK, (0, 0, 0), 1.5),
        r'tr_mask\.nii\.gz contains unknown label values: 1\.5 \(1 px\)',
    ),
    'unknown lung': (
        lambda s: change(s / covid19.LUNGS, (0, 0, 0), 3),
        r'updated\.nii\.gz contains unknown label values: 3 \(1 px\); the labels .* are 0 to 2',
    ),
    'not a number': (
        lambda s: change(s / covid19.IMAGE, (0, 0, 0), np.nan),
        r'tr_im\.nii\.gz contains values that are not finite:',
    ),
    'other size': (
        lambda s: save(s / covid19.LUNGS, np.zeros((12, 10, 7), np.uint8)),
        r'updated\.nii\.gz has the shape \(12, 10, 7\), but .*tr_im\.nii\.gz has \(12, 10, 8\)',
    ),
    'unknown intensities': (
        lambda s: save(s / covid19.IMAGE, np.full((12, 10, 8), 300, np.int16)),
        r'tr_im\.nii\.gz has values from 300 to 300, which are neither .*: set --window LOW HIGH',
    ),
    'four axes': (
        lambda s: save(s / covid19.IMAGE, np.zeros((12, 10, 8, 3))),
        r'tr_im\.nii\.gz has 4 axes',
    ),
}


@pytest.mark.parametrize('name', DAMAGES)
def test_wrong_input_is_one_sentence_and_writes_nothing(source, tmp_path, name):
    damage, message = DAMAGES[name]
    damage(source)
    before = tree(tmp_path)
    with pytest.raises(DataError, match=message) as caught:
        convert(source, tmp_path / 'new' / 'out')
    assert '\n' not in str(caught.value)
    assert tree(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ['source']


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['--window', '5', '5'], 'the window 5 to 5 is empty: LOW must be below HIGH'),
        (['--folds', '9'], '8 slices cannot be split into 9 folds: choose 3 to 8 folds'),
    ],
)
def test_wrong_settings_are_one_sentence_and_write_nothing(source, tmp_path, args, message):
    with pytest.raises(DataError, match=message):
        convert(source, tmp_path / 'out', *args)
    assert [path.name for path in tmp_path.iterdir()] == ['source']


def run(*args, cwd):
    return run_script(covid19.__file__, *args, cwd=cwd)


def test_as_a_process(source, tmp_path):
    done = run(source, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(tree(tmp_path / 'data' / 'covid19')) == 8 * 2 + 12 + 1
    (source / covid19.LUNGS).unlink()
    failed = run(source, '--out', 'other', cwd=tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith(f'error: {source} has no tr_lungmasks')
    assert 'Traceback' not in failed.stderr
    assert not (tmp_path / 'other').exists()


@pytest.mark.real_data
def test_real_set(real_data, tmp_path):
    files = convert(real_data / 'covid19', tmp_path / 'out')
    manifest = json.loads(files['conversion.json'])
    assert manifest['pixels'] == TOTALS
    assert manifest['without_content'] == ['022', '048']
    counts = sum(
        np.bincount(read(path).ravel(), minlength=4)
        for path in (tmp_path / 'out' / 'annotations').iterdir()
    )
    assert counts.tolist() == list(TOTALS.values())
    image = load(real_data / 'covid19' / covid19.IMAGE)
    np.testing.assert_array_equal(read(tmp_path / 'out/images/040.png'), image[:, :, 40].T)
    for i in range(4):
        names = [f'splits/fold{i}/{name}.txt' for name in ('train', 'val', 'test')]
        split = [files[name].decode().split() for name in names]
        assert list(map(len, split)) == [50, 25, 25]
        assert len(set(chain(*split))) == 100

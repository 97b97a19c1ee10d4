import json
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

from mmseg_attn.errors import DataError
from tests.processes import run_script
from tools.dataset_converters import knee_mri


@pytest.fixture
def source(tmp_path):
    """Twelve pairs of 10x8, named a to l, with masks of 0 and 1."""
    rng = np.random.default_rng(0)
    for name in ('images', 'masks'):
        (tmp_path / 'source' / name).mkdir(parents=True)
    for stem in 'abcdefghijkl':
        save(tmp_path / 'source/images' / f'{stem}.png', rng.integers(0, 256, (8, 10)), np.uint8)
        save(tmp_path / 'source/masks' / f'{stem}.png', rng.integers(0, 2, (8, 10)), np.uint8)
    return tmp_path / 'source'


def save(path, pixels, kind):
    Image.fromarray(pixels.astype(kind)).save(path)


def tree(folder):
    files = (path for path in folder.rglob('*') if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def read(path):
    image = Image.open(path)
    assert image.mode == 'L'
    return np.array(image)


def convert(source, out, *args):
    knee_mri.main([str(source), '--out', str(out), *args])
    return tree(out)


def splits(files):
    return [files[f'splits/fold0/{name}.txt'].decode().split() for name in ('train', 'val', 'test')]


def test_pairs_of_bytes_stay_as_they_are(source, tmp_path, capsys):
    out = tmp_path / 'data' / 'knee_mri'
    files = convert(source, out)
    expected = [
        f'{kind}/{stem}.png' for kind in ('images', 'annotations') for stem in 'abcdefghijkl'
    ]
    expected += [f'splits/fold0/{name}.txt' for name in ('train', 'val', 'test')]
    assert sorted(files) == sorted([*expected, 'conversion.json'])
    ligament = 0
    for stem in 'abcdefghijkl':
        for made, kind in (('images', 'images'), ('annotations', 'masks')):
            np.testing.assert_array_equal(
                read(out / made / f'{stem}.png'), read(source / kind / f'{stem}.png')
            )
        ligament += int(read(out / 'annotations' / f'{stem}.png').sum())
    split = splits(files)
    assert sorted(chain(*split)) == list('abcdefghijkl')
    assert list(map(len, split)) == [8, 2, 2]
    manifest = json.loads(files['conversion.json'])
    assert manifest['pixels'] == {'background': 960 - ligament, 'patellar ligament': ligament}
    printed = capsys.readouterr().out
    assert '12 cases, 12 slices' in printed
    assert 'fold0      8    2     2' in printed
    assert 'scaled' not in printed
    assert '255' not in printed


def test_300_images_are_split_8_to_1_to_1(tmp_path):
    folder = tmp_path / 'source'
    folder.mkdir()
    for i in range(300):
        save(folder / f'{i}.png', np.array([[i % 256, 255 - i % 256]]), np.uint8)
        save(folder / f'{i}_mask.png', np.array([[0, 1]]), np.uint8)
    first = splits(convert(folder, tmp_path / 'out'))
    assert list(map(len, first)) == [240, 30, 30]
    assert splits(convert(folder, tmp_path / 'out', '--seed', '1')) != first


def test_masks_of_255_are_mapped_and_said(source, tmp_path, capsys):
    plain = convert(source, tmp_path / 'plain')
    for stem in 'abc':
        path = source / 'masks' / f'{stem}.png'
        save(path, 255 * read(path), np.uint8)
    capsys.readouterr()
    mapped = convert(source, tmp_path / 'mapped')
    assert '3 cases have masks of 0 and 255: 255 became 1' in capsys.readouterr().out
    for stem in 'abc':
        assert mapped[f'annotations/{stem}.png'] == plain[f'annotations/{stem}.png']


@pytest.mark.parametrize(
    ('args', 'low', 'high'), [([], 0.5, 99.5), (['--percentiles', '0', '100'], 0, 100)]
)
def test_more_bits_are_scaled_case_by_case_and_said(source, tmp_path, capsys, args, low, high):
    values = np.random.default_rng(1).integers(0, 60000, (8, 10))
    save(source / 'images' / 'a.png', values, np.uint16)
    (source / 'images' / 'b.png').unlink()
    save(source / 'images' / 'b.tif', values / 1000 - 7, np.float32)
    convert(source, tmp_path / 'out', *args)
    bottom, top = np.percentile(values, (low, high))
    expected = np.clip((values - bottom) / (top - bottom) * 255, 0, 255)
    for stem in 'ab':
        made = read(tmp_path / 'out' / 'images' / f'{stem}.png')
        assert abs(made - expected).max() <= 0.5 + 1e-3
        assert len(np.unique(made)) > 60
    said = f'2 cases have more than 8 bits: their percentiles {low:g} to {high:g} were scaled'
    assert said in capsys.readouterr().out


def test_an_image_without_content_is_reported(source, tmp_path, capsys):
    save(source / 'images' / 'a.png', np.full((8, 10), 900), np.uint16)
    save(source / 'images' / 'b.png', np.full((8, 10), 90), np.uint8)
    convert(source, tmp_path / 'out')
    assert '\nblank slices, which are kept: a, b\n' in capsys.readouterr().out
    assert read(tmp_path / 'out' / 'images' / 'a.png').max() == 0


def test_volumes_and_series_are_cases(source, tmp_path):
    nibabel = pytest.importorskip('nibabel', reason='needs nibabel')
    pytest.importorskip('pydicom', reason='needs pydicom')
    from tests.data import dicom

    rng = np.random.default_rng(2)
    volume = rng.integers(-500, 3000, (10, 8, 3), dtype=np.int16)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), source / 'images' / 'v.nii.gz')
    labels = rng.integers(0, 2, volume.shape).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), source / 'masks' / 'v.nii')
    slices = {}
    for folder in ('flat', 'case'):
        for i in range(2):
            name = f'case/{i}' if folder == 'case' else f'flat{i}'
            pixels = slices[name.replace('/', '_')] = rng.integers(
                0, 4096, (8, 10), dtype=np.uint16
            )
            for kind in ('images', 'masks'):
                (source / kind / name).parent.mkdir(exist_ok=True)
            uid = '1.2.3' if folder == 'flat' else f'1.2.{i + 4}'
            dicom.write(source / 'images' / f'{name}.dcm', pixels, SeriesInstanceUID=uid)
            save(source / 'masks' / f'{name}.png', np.ones((8, 10)), np.uint8)
    out = tmp_path / 'out'
    files = convert(source, out)

    bottom, top = np.percentile(volume, (0.5, 99.5))
    for k in range(3):
        expected = np.clip((volume[:, :, k].T - bottom) / (top - bottom) * 255, 0, 255)
        assert abs(read(out / 'images' / f'v_{k:03d}.png') - expected).max() <= 0.5 + 1e-9
        mask = read(out / 'annotations' / f'v_{k:03d}.png')
        np.testing.assert_array_equal(mask, labels[:, :, k].T)
    for case in ('flat', 'case'):
        members = [name for name in slices if name.startswith(case)]
        bottom, top = np.percentile([slices[name] for name in members], (0.5, 99.5))
        for name in members:
            expected = np.clip((slices[name] - bottom) / (top - bottom) * 255, 0, 255)
            assert abs(read(out / 'images' / f'{name}.png') - expected).max() <= 0.5 + 1e-9
    for group in (['v_000', 'v_001', 'v_002'], ['flat0', 'flat1'], ['case_0', 'case_1']):
        assert sum(not set(group).isdisjoint(part) for part in splits(files)) == 1
    assert json.loads(files['conversion.json'])['cases'] == 15


def test_the_spacing_of_every_slice_is_recorded_and_loaded(source, tmp_path):
    nibabel = pytest.importorskip('nibabel', reason='needs nibabel')
    pytest.importorskip('pydicom', reason='needs pydicom')
    from tests.data import dicom

    affine = np.diag([0.5, 0.25, 3, 1])  # columns, rows, slices
    for kind in ('images', 'masks'):
        nibabel.save(
            nibabel.Nifti1Image(np.ones((10, 8, 2), np.uint8), affine), source / kind / 'v.nii'
        )
    dicom.write(source / 'images/d.dcm', np.ones((8, 10), np.uint8), PixelSpacing=[0.3, 0.4])
    (source / 'images/d.png').unlink()
    files = convert(source, tmp_path / 'out', '--split-unit', 'slice')
    spacing = {'v_000': [0.25, 0.5], 'v_001': [0.25, 0.5], 'd': [0.3, 0.4]}
    assert json.loads(files['conversion.json'])['spacing'] == spacing

    infos = []
    for split in ('train', 'val', 'test'):
        dataset = DATASETS.build(
            dict(
                type='KneeMRIDataset',
                data_root=str(tmp_path / 'out'),
                data_prefix=dict(img_path='images', seg_map_path='annotations'),
                ann_file=f'splits/fold0/{split}.txt',
                pipeline=[],
            )
        )
        infos += list(dataset)
    loaded = {Path(info['img_path']).stem: info.get('spacing') for info in infos}
    assert {name: list(pair) for name, pair in loaded.items() if pair} == spacing
    assert len(loaded) == 14
    assert {info.get('spacing_unit') for info in infos} == {'mm', None}


def test_a_mirrored_nifti_mask_is_refused(source, tmp_path):
    nibabel = pytest.importorskip('nibabel', reason='needs nibabel')
    for kind in ('images', 'masks'):
        (source / kind / 'a.png').unlink()
    affine = np.diag([0.5, 0.5, 3, 1])
    nibabel.save(nibabel.Nifti1Image(np.ones((10, 8), np.uint8), affine), source / 'images/a.nii')
    labels = nibabel.Nifti1Image(np.ones((10, 8), np.uint8), affine)
    nibabel.save(labels, source / 'masks/a.nii')
    convert(source, tmp_path / 'out')
    mirrored = nibabel.Nifti1Image(np.ones((10, 8), np.uint8), affine @ np.diag([-1, 1, 1, 1]))
    nibabel.save(mirrored, source / 'masks/a.nii')
    with pytest.raises(DataError, match=r'masks/a\.nii point to LAS, .*images/a\.nii to RAS'):
        convert(source, tmp_path / 'other')
    assert not (tmp_path / 'other').exists()


def test_masks_without_a_ligament_are_named_and_refused_when_all_are(source, tmp_path, capsys):
    masks = sorted((source / 'masks').iterdir())
    for mask in masks[:2]:
        save(mask, np.zeros_like(read(mask)), np.uint8)
    convert(source, tmp_path / 'out')
    stems = ', '.join(mask.stem for mask in masks[:2])
    assert f'slices without patellar ligament, which are kept: {stems}' in capsys.readouterr().out
    for mask in masks:
        save(mask, np.zeros_like(read(mask)), np.uint8)
    with pytest.raises(DataError, match=r'no mask in .*source contains patellar ligament: check'):
        convert(source, tmp_path / 'other')
    assert not (tmp_path / 'other').exists()


def test_slices_may_be_dealt_alone(source, tmp_path):
    nibabel = pytest.importorskip('nibabel', reason='needs nibabel')
    for kind in ('images', 'masks'):
        for path in (source / kind).iterdir():
            path.unlink()
        volume = np.ones((10, 8, 20), np.uint8)
        nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), source / kind / 'v.nii')
    with pytest.raises(DataError, match='source contains 1 case, but a split of 8:1:1 needs 10:'):
        convert(source, tmp_path / 'out')
    split = splits(convert(source, tmp_path / 'out', '--split-unit', 'slice'))
    assert list(map(len, split)) == [16, 2, 2]


def edit(path, *, kind=np.uint8, place=(0, 0), value):
    pixels = np.array(Image.open(path)).astype(kind)
    pixels[place] = value
    save(path, pixels, kind)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-30])


def jpeg(path):
    Image.open(path).save(path.with_suffix('.jpg'))
    path.unlink()


def color(path):
    pixels = np.stack([np.array(Image.open(path)), *np.zeros((2, 8, 10), np.uint8)], 2)
    save(path, pixels, np.uint8)


DAMAGES = {
    'no mask': (lambda s: (s / 'masks/c.png').unlink(), r'images/c\.png has no mask'),
    'no image': (lambda s: (s / 'images/c.png').unlink(), r'masks/c\.png has no image'),
    'no masks': (
        lambda s: (s / 'masks').rename(s / 'other'),
        'source has images/ and 0 of the folders masks, annotations, labels: keep exactly one',
    ),
    'too few': (
        lambda s: [(s / kind / f'{i}.png').unlink() for kind in ('images', 'masks') for i in 'abc'],
        'source contains 9 cases, but a split of 8:1:1 needs 10: see --help',
    ),
    'empty folders': (
        lambda s: [path.unlink() for path in s.glob('*/*')],
        'source contains 0 cases, but a split of 8:1:1 needs 10: see --help',
    ),
    'truncated image': (
        lambda s: truncate(s / 'images/b.png'),
        r'images/b\.png is truncated or damaged',
    ),
    'truncated mask': (lambda s: truncate(s / 'masks/b.png'), r'masks/b\.png is truncated or dam'),
    'gray mask': (
        lambda s: edit(s / 'masks/b.png', value=7),
        r'masks/b\.png contains the values 0, 1, 7: save it with the values 0 and 1, or 0 and 255',
    ),
    'mixed mask': (
        lambda s: edit(s / 'masks/b.png', value=255),
        r'masks/b\.png contains the values 0, 1, 255: save it with',
    ),
    '16-bit mask': (
        lambda s: edit(s / 'masks/b.png', kind=np.uint16, value=65535),
        r'masks/b\.png contains the values 0, 1, 65535: save it with',
    ),
    'image as mask': (
        lambda s: edit(s / 'masks/b.png', place=0, value=np.arange(10)),
        r'masks/b\.png contains the values 0, 1, 2, 3, 4, 5, \.\.\.: save it with',
    ),
    'jpeg mask': (lambda s: jpeg(s / 'masks/b.png'), r'masks/b\.jpg is compressed as JPEG, which'),
    'color mask': (
        lambda s: color(s / 'masks/b.png'),
        r'masks/b\.png has the mode RGB instead of one channel of labels',
    ),
    'color image': (
        lambda s: color(s / 'images/b.png'),
        r'images/b\.png has the mode RGB instead of one channel of gray values',
    ),
    'sizes differ': (
        lambda s: save(s / 'masks/b.png', np.zeros((10, 8)), np.uint8),
        r'masks/b\.png is 8x10, but its image .*images/b\.png is 10x8',
    ),
    'unknown type': (
        lambda s: [(s / kind / 'notes.txt').write_text('x') for kind in ('images', 'masks')],
        r'images/notes\.txt has an unknown type: remove it',
    ),
    'not a number': (
        lambda s: (
            (s / 'images/b.png').unlink(),
            save(s / 'images/b.tif', np.full((8, 10), np.nan), np.float32),
        ),
        r'images/b\.tif contains values that are not finite: replace',
    ),
    'one name for two': (
        lambda s: [
            (
                (s / kind / 'x').mkdir(),
                (s / kind / 'a.png').rename(s / kind / 'x' / 'y.png'),
                (s / kind / 'b.png').rename(s / kind / 'x_y.png'),
            )
            for kind in ('images', 'masks')
        ],
        'two slices have the name x_y: rename x_y',
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


@pytest.mark.parametrize('uids', [('1.2.3', '1.2.3'), ('1.2.3', '1.2.4')])
@pytest.mark.parametrize('folder', [False, True])
def test_a_series_of_mixed_sizes_is_refused(source, tmp_path, uids, folder):
    pytest.importorskip('pydicom', reason='needs pydicom')
    from tests.data import dicom

    for i, size in enumerate([(8, 10), (6, 10)]):
        stem = f'series/{i}' if folder else f'series{i}'
        for kind in ('images', 'masks'):
            (source / kind / stem).parent.mkdir(exist_ok=True)
        pixels = np.arange(np.prod(size), dtype=np.uint16).reshape(size)
        dicom.write(source / 'images' / f'{stem}.dcm', pixels, SeriesInstanceUID=uids[i])
        save(source / 'masks' / f'{stem}.png', np.ones(size), np.uint8)
    if uids[0] == uids[1] or folder:
        match = r'1\.dcm is 10x6, but .*0\.dcm of the same series is 10x8: separate them'
        with pytest.raises(DataError, match=match):
            convert(source, tmp_path / 'out')
        assert [path.name for path in tmp_path.iterdir()] == ['source']
    else:  # independent images may differ
        assert len(list(chain(*splits(convert(source, tmp_path / 'out'))))) == 14


@pytest.mark.parametrize('kind', ['nii', 'nii.gz', 'dcm'])
def test_truncated_volumes_are_refused(source, tmp_path, kind):
    nibabel = pytest.importorskip('nibabel', reason='needs nibabel')
    pytest.importorskip('pydicom', reason='needs pydicom')
    from tests.data import dicom

    path = source / 'images' / f'a.{kind}'
    (source / 'images' / 'a.png').unlink()
    pixels = np.random.default_rng(0).integers(0, 999, (8, 10), dtype=np.uint16)
    if kind == 'dcm':
        dicom.write(path, pixels)
    else:
        nibabel.save(nibabel.Nifti1Image(pixels.T, np.eye(4)), path)
    assert 'images/a.png' in convert(source, tmp_path / 'out')
    truncate(path)
    with pytest.raises(DataError, match=rf'a\.{kind} is truncated'):
        convert(source, tmp_path / 'other')
    assert not (tmp_path / 'other').exists()


@pytest.mark.parametrize('values', [('-1', '50'), ('50', '50'), ('50', '101')])
def test_wrong_percentiles_are_refused(source, tmp_path, values):
    with pytest.raises(DataError, match='choose 0 <= LOW < HIGH <= 100'):
        convert(source, tmp_path / 'out', '--percentiles', *values)


def run(*args, cwd):
    return run_script(knee_mri.__file__, *args, cwd=cwd)


def test_as_a_process(source, tmp_path):
    done = run(source, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(tree(tmp_path / 'data' / 'knee_mri')) == 12 * 2 + 3 + 1
    (source / 'masks' / 'a.png').unlink()
    failed = run(source, '--out', 'other', cwd=tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith(f'error: {source}/images/a.png has no mask')
    assert 'Traceback' not in failed.stderr
    assert not (tmp_path / 'other').exists()

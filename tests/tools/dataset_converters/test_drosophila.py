import json
import shutil
import stat
import tarfile
import zipfile
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmseg_attn.errors import DataError
from tests.processes import run_script
from tools.dataset_converters import drosophila

CLASS_OF = {0: 0, 32: 0, 64: 0, 96: 0, 128: 0, 191: 1, 223: 2, 159: 3, 255: 4}
ARGS = ('--crop-size', '4', '--folds', '3')


@pytest.fixture
def stack(tmp_path):
    """Three slices of 8x12 in the official layout, with every label value."""
    folder = tmp_path / 'repo' / 'stack1'
    rng = np.random.default_rng(0)
    for name in ('raw', 'labels', 'membranes', 'mitochondria', 'synapses'):
        (folder / name).mkdir(parents=True)
    for i in range(3):
        labels = rng.permutation(np.resize(list(CLASS_OF), 96)).reshape(8, 12).astype(np.uint8)
        image = rng.integers(0, 256, (8, 12), dtype=np.uint8)
        Image.fromarray(image).save(folder / 'raw' / f'{i:02d}.tif')
        Image.fromarray(labels).save(folder / 'labels' / f'labels{i:08d}.png')
        for name in ('membranes', 'mitochondria', 'synapses'):
            (folder / name / f'{i:02d}.png').write_text('never read')
    return folder


def tree(folder):
    files = (path for path in folder.rglob('*') if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def fold(files, i):
    names = [f'splits/fold{i}/{name}.txt' for name in ('train', 'val', 'test')]
    return [files[name].decode().split() for name in names]


def read(path):
    image = Image.open(path)
    assert image.mode == 'L'
    return np.array(image)


def convert(source, out, *args):
    drosophila.main([str(source), '--out', str(out), *ARGS, *args])
    return tree(out)


def test_crops_masks_and_splits(stack, tmp_path, capsys):
    out = tmp_path / 'data' / 'drosophila'
    files = convert(stack, out)
    stems = [
        f'{i:02d}_{row:02d}_{col:02d}' for i in range(3) for row in (0, 1) for col in (0, 1, 2)
    ]
    expected = [f'{kind}/{stem}.png' for kind in ('images', 'annotations') for stem in stems]
    expected += [
        f'splits/fold{i}/{name}.txt' for i in range(3) for name in ('train', 'val', 'test')
    ]
    assert sorted(files) == sorted([*expected, 'conversion.json'])

    counts = dict.fromkeys(range(5), 0)
    for stem in stems:
        i, row, col = map(int, stem.split('_'))
        window = np.s_[4 * row : 4 * row + 4, 4 * col : 4 * col + 4]
        image = read(stack / 'raw' / f'{i:02d}.tif')[window]
        labels = read(stack / 'labels' / f'labels{i:08d}.png')[window]
        mask = read(out / 'annotations' / f'{stem}.png')
        np.testing.assert_array_equal(read(out / 'images' / f'{stem}.png'), image)
        np.testing.assert_array_equal(mask, np.vectorize(CLASS_OF.get)(labels))
        for value, number in zip(*np.unique(mask, return_counts=True), strict=True):
            counts[int(value)] += int(number)

    manifest = json.loads(files['conversion.json'])
    assert list(counts.values()) == [
        manifest['pixels'][name]
        for name in ('membrane', 'mitochondria', 'synapse', 'extracellular', 'intracellular')
    ]
    for i in range(3):
        split = fold(files, i)
        assert sorted(chain(*split)) == stems
        assert list(map(len, split)) == [6, 6, 6]
    printed = capsys.readouterr().out
    assert '3 slices, 18 crops of 4x4' in printed
    assert 'fold2      6    6     6' in printed
    assert f'membrane          {counts[0]}    {100 * counts[0] / 288:.2f}' in printed


@pytest.mark.parametrize('text', ['{"converter": "mine", "settings": {}}', '[', '[]', '{}'])
def test_a_stack_with_a_foreign_manifest_is_not_synthetic(stack, tmp_path, text):
    (stack / 'conversion.json').write_text(text)
    manifest = json.loads(convert(stack, tmp_path / 'out')['conversion.json'])
    assert 'synthetic_stack' not in manifest


def test_whole_slices_per_fold(stack, tmp_path):
    files = convert(stack, tmp_path / 'out', '--split-unit', 'slice')
    for i in range(3):
        split = fold(files, i)
        slices = [{stem[:2] for stem in stems} for stems in split]
        assert list(map(len, slices)) == [1, 1, 1]
        assert set.union(*slices) == {'00', '01', '02'}


def test_folder_repository_and_archives_give_the_same_bytes(stack, tmp_path):
    base = convert(stack, tmp_path / 'base')
    assert convert(stack.parent, tmp_path / 'repository') == base
    top = Path('groundtruth-drosophila-vnc-master')
    with zipfile.ZipFile(tmp_path / 'stack.zip', 'w') as archive:
        for path in stack.parent.rglob('*'):
            archive.write(path, top / path.relative_to(stack.parent))
    with tarfile.open(tmp_path / 'stack.tar.gz', 'w:gz') as archive:
        archive.add(stack.parent, top)
    assert convert(tmp_path / 'stack.zip', tmp_path / 'zip') == base
    assert convert(tmp_path / 'stack.tar.gz', tmp_path / 'tar') == base
    assert not list(tmp_path.glob('.*'))


def test_twice_is_harmless_and_other_settings_replace(stack, tmp_path, capsys):
    first = convert(stack, tmp_path / 'out')
    capsys.readouterr()
    assert convert(stack, tmp_path / 'out') == first
    assert '(already up to date)' in capsys.readouterr().out
    second = convert(stack, tmp_path / 'out', '--seed', '1')
    assert second['images/00_00_00.png'] == first['images/00_00_00.png']
    assert second['splits/fold0/test.txt'] != first['splits/fold0/test.txt']
    assert 'already up to date' not in capsys.readouterr().out


def test_hidden_files_are_ignored(stack, tmp_path):
    (stack / 'raw' / '._00.tif').write_text('left by an operating system')
    (stack / 'labels' / '.DS_Store').write_text('left by an operating system')
    assert len(convert(stack, tmp_path / 'out')) == 18 * 2 + 9 + 1


def set_pixels(path, changes):
    pixels = np.array(Image.open(path))
    pixels.flat[: len(changes)] = changes
    Image.fromarray(pixels).save(path)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-30])


def label(stack):
    return stack / 'labels' / 'labels00000001.png'


def image(stack):
    return stack / 'raw' / '01.tif'


def resize(path):
    Image.open(path).resize((12, 4)).save(path)


def all_of(stack, change):
    for path in [*(stack / 'raw').iterdir(), *(stack / 'labels').iterdir()]:
        change(path)


DAMAGES = {
    'image missing': (lambda s: image(s).unlink(), r'stack1 has no raw/01\.tif: get'),
    'labels missing': (
        lambda s: label(s).unlink(),
        r'stack1 has no labels/labels00000001\.png: get',
    ),
    'both missing': (
        lambda s: (image(s).unlink(), label(s).unlink()),
        r'stack1 has no raw/01\.tif, labels/labels00000001\.png: get',
    ),
    'last image missing': (
        lambda s: (s / 'raw' / '02.tif').unlink(),
        r'stack1 has no raw/02\.tif: get',
    ),
    'nothing there': (
        lambda s: all_of(s, Path.unlink),
        r'stack1 has no raw/00\.tif, labels/labels0+\.png: get',
    ),
    'number twice': (
        lambda s: shutil.copy(image(s), s / 'raw' / '1.tif'),
        r'01\.tif and .*1\.tif have the same number',
    ),
    'no labels folder': (
        lambda s: shutil.rmtree(s / 'labels'),
        r'repo contains 0 stacks .* instead of one: name',
    ),
    'two stacks': (
        lambda s: shutil.copytree(s, s.parent / 'copy' / 'stack1'),
        r'repo contains 2 stacks .* instead of one: name',
    ),
    'truncated image': (lambda s: truncate(image(s)), r'01\.tif is truncated or damaged'),
    'truncated labels': (lambda s: truncate(label(s)), r'00001\.png is truncated or damaged'),
    'empty image': (lambda s: image(s).write_bytes(b''), r'01\.tif is truncated or damaged'),
    'unknown values': (
        lambda s: set_pixels(label(s), [17, 17, 200]),
        r'00001\.png contains unknown label values: 17 \(2 px\), 200 \(1 px\); .* are 0, 32',
    ),
    'class ids': (
        lambda s: set_pixels(label(s), [1]),
        r'00001\.png contains unknown label values: 1 \(1 px\)',
    ),
    'sizes differ': (
        lambda s: resize(label(s)),
        r'labels00000001\.png is 12x4, but its image .*01\.tif is 12x8',
    ),
    'color image': (
        lambda s: Image.open(image(s)).convert('RGB').save(image(s)),
        r'01\.tif has the mode RGB instead of one 8-bit channel: use',
    ),
    '16-bit image': (
        lambda s: Image.fromarray(np.zeros((8, 12), np.uint16)).save(image(s)),
        r'01\.tif has the mode I;16 instead of one 8-bit channel: use',
    ),
    'palette labels': (
        lambda s: Image.open(label(s)).convert('P').save(label(s)),
        r'00001\.png has the mode P instead of one 8-bit channel: use',
    ),
}


@pytest.mark.parametrize('name', DAMAGES)
def test_wrong_input_is_one_sentence_and_writes_nothing(stack, tmp_path, name):
    damage, message = DAMAGES[name]
    damage(stack)
    before = tree(tmp_path)
    with pytest.raises(DataError, match=message) as caught:
        convert(stack.parent, tmp_path / 'new' / 'out')
    assert '\n' not in str(caught.value)
    assert tree(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ['repo']


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['--crop-size', '5'], r'00\.tif is 12x8, .* crops of 5x5: use --crop-size 4$'),
        (['--crop-size', '16'], 'crops of 16x16: use --crop-size 4$'),
        (['--split-unit', 'slice', '--folds', '4'], '3 slices cannot be split into 4 folds'),
    ],
)
def test_wrong_settings_are_one_sentence_and_write_nothing(stack, tmp_path, args, message):
    with pytest.raises(DataError, match=message):
        convert(stack, tmp_path / 'out', *args)
    assert [path.name for path in tmp_path.iterdir()] == ['repo']


@pytest.mark.parametrize('args', [['--crop-size', '0'], ['--folds', '2'], ['--split-unit', 'row']])
def test_wrong_arguments_are_refused_at_once(args, capsys):
    with pytest.raises(SystemExit) as caught:
        drosophila.main(['source', *args])
    assert caught.value.code == 2
    assert f'argument {args[0]}' in capsys.readouterr().err


def test_output_folder_with_something_else_is_untouched(stack, tmp_path):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'mine.txt').write_text('mine')
    with pytest.raises(DataError, match='out contains files that this converter did not write'):
        convert(stack, tmp_path / 'out')
    assert tree(tmp_path / 'out') == {'mine.txt': b'mine'}


def test_the_source_as_output_folder_is_untouched(stack):
    before = tree(stack)
    with pytest.raises(DataError, match='stack1 contains files that this converter did not write'):
        convert(stack, stack)
    assert tree(stack) == before


@pytest.mark.parametrize('name', ['../../evil.txt', '/tmp/evil.txt', 'link'])
def test_hostile_zip_writes_nothing(tmp_path, name):
    info = zipfile.ZipInfo(name)
    if name == 'link':
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / 'evil.zip', 'w') as archive:
        archive.writestr(info, '/etc/passwd')
    with pytest.raises(DataError, match=r'evil\.zip contains'):
        convert(tmp_path / 'evil.zip', tmp_path / 'a' / 'b' / 'out')
    assert [path.name for path in tmp_path.iterdir()] == ['evil.zip']


def test_zip_bomb_needs_an_override(tmp_path):
    with zipfile.ZipFile(tmp_path / 'bomb.zip', 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('raw/zeros', bytes(2**20))
    data = (tmp_path / 'bomb.zip').read_bytes()  # let the directory claim three GiB
    claim = data.replace((2**20).to_bytes(4, 'little'), (3 * 2**30).to_bytes(4, 'little'))
    (tmp_path / 'bomb.zip').write_bytes(claim)
    with pytest.raises(DataError, match='more than 1 GiB: raise --max-unpacked-size'):
        convert(tmp_path / 'bomb.zip', tmp_path / 'out', '--max-unpacked-size', '1')
    with pytest.raises(DataError, match=r'bomb\.zip is truncated'):
        convert(tmp_path / 'bomb.zip', tmp_path / 'out')


def run(*args, cwd):
    return run_script(drosophila.__file__, *args, cwd=cwd)


def test_as_a_process(stack, tmp_path):
    done = run(stack, *ARGS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'fold0      6    6     6' in done.stdout
    assert len(tree(tmp_path / 'data' / 'drosophila')) == 18 * 2 + 9 + 1


def test_as_a_process_with_wrong_input(stack, tmp_path):
    truncate(label(stack))
    failed = run(stack, *ARGS, cwd=tmp_path)
    assert failed.returncode == 1
    assert 'fold0' not in failed.stdout
    assert failed.stderr.splitlines()[-1].startswith(f'error: {label(stack)} is truncated')
    assert 'Traceback' not in failed.stderr
    assert [path.name for path in tmp_path.iterdir()] == ['repo']


@pytest.mark.real_data
def test_real_stack(real_data, tmp_path):
    drosophila.main([str(real_data / 'drosophila'), '--out', str(tmp_path / 'out')])
    files = tree(tmp_path / 'out')
    manifest = json.loads(files['conversion.json'])
    assert manifest['crops'] == 320
    assert manifest['pixels'] == dict(
        membrane=3598433,
        mitochondria=1127679,
        synapse=117147,
        extracellular=597185,
        intracellular=15531076,
    )
    counts = sum(
        np.bincount(read(path).ravel(), minlength=5)
        for path in (tmp_path / 'out' / 'annotations').iterdir()
    )
    assert counts.tolist() == [3598433, 1127679, 117147, 597185, 15531076]
    assert len(list((tmp_path / 'out' / 'images').iterdir())) == 320
    for i in range(5):
        split = fold(files, i)
        assert list(map(len, split)) == [192, 64, 64]
        assert len(set(chain(*split))) == 320

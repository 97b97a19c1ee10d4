import json

import pytest
from PIL import Image

from mmseg_attn.errors import DataError
from tests.processes import run_script
from tools.dataset_converters import drosophila, synthetic_sstem


def tree(folder):
    files = (path for path in folder.rglob('*') if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_official_layout_and_the_same_bytes_again(tmp_path):
    for name, seed in (('a', '5'), ('b', '5'), ('c', '6')):
        synthetic_sstem.main(
            [str(tmp_path / name), '--slices', '2', '--size', '128', '--seed', seed]
        )
    files = tree(tmp_path / 'a')
    assert files == tree(tmp_path / 'b')
    assert sorted(files) == [
        'conversion.json',
        'labels/labels00000000.png',
        'labels/labels00000001.png',
        'raw/00.tif',
        'raw/01.tif',
    ]
    for name in ('raw/00.tif', 'labels/labels00000000.png'):
        image = Image.open(tmp_path / 'a' / name)
        assert (image.mode, image.size) == ('L', (128, 128))
    assert tree(tmp_path / 'c')['raw/00.tif'] != files['raw/00.tif']


def test_the_converter_takes_it(tmp_path, capsys):
    synthetic_sstem.main([str(tmp_path / 'stack'), '--slices', '3', '--size', '128'])
    out = tmp_path / 'data'
    drosophila.main(
        [str(tmp_path / 'stack'), '--out', str(out), '--crop-size', '64', '--folds', '3']
    )
    assert '3 slices, 12 crops of 64x64' in capsys.readouterr().out
    assert len(list((out / 'images').iterdir())) == 12
    manifest = json.loads((out / 'conversion.json').read_text())
    assert manifest['synthetic_stack'] == dict(slices=3, size=128, seed=0)


def test_output_folder_with_something_else_is_untouched(tmp_path):
    (tmp_path / 'mine.txt').write_text('mine')
    with pytest.raises(DataError, match='contains files that this converter did not write:'):
        synthetic_sstem.main([str(tmp_path), '--slices', '1', '--size', '128'])
    assert tree(tmp_path) == {'mine.txt': b'mine'}


@pytest.mark.parametrize('args', [('--size', '64'), ('--slices', '0'), ('--seed', '-1')])
def test_wrong_arguments_are_refused_at_once(tmp_path, args, capsys):
    with pytest.raises(SystemExit) as caught:
        synthetic_sstem.main([str(tmp_path / 'out'), *args])
    assert caught.value.code == 2
    assert f'argument {args[0]}' in capsys.readouterr().err


def test_as_a_process(tmp_path):
    arguments = ['out', '--slices', '1', '--size', '128']
    done = run_script(synthetic_sstem.__file__, *arguments, cwd=tmp_path)
    assert done.returncode == 0
    assert len(tree(tmp_path / 'out')) == 3

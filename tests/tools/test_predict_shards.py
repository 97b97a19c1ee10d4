"""Jobs that predict a part of the files each: together they are one run."""

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from PIL import Image

from mmseg_attn.errors import DataError
from tests.tools.test_predict import place  # noqa: F401  a fixture
from tools import predict

OPTIONS = ['--save', 'entropy', 'probabilities', '--percentiles', '1', '99', '--device', 'cpu']


@pytest.fixture
def words(place, tmp_path):  # noqa: F811
    """A command; its inputs are images of several kinds, one of them broken, and a stack."""
    noise = np.random.default_rng(1).integers(0, 256, (7, 40, 48), np.uint8)
    (tmp_path / 'in/sub').mkdir(parents=True)
    for name, image in zip(('b.png', 'sub/b.png', 'sub/b.tif', 'd.png'), noise, strict=False):
        Image.fromarray(image).save(tmp_path / 'in' / name)
    pages = [Image.fromarray(page) for page in noise[4:6]]
    pages[0].save(tmp_path / 'in/c.tif', save_all=True, append_images=pages[1:])
    Image.fromarray(noise[6].astype(np.uint16) * 100).save(tmp_path / 'in/deep.png')
    (tmp_path / 'in/a.png').write_text('no image')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(place).model)
    torch.save(model.state_dict(), 'x.pth')
    return [place, 'x.pth', 'in', *OPTIONS]


def run(*words: str) -> object:
    """The exit code."""
    with pytest.raises(SystemExit) as end:
        predict.main([*words])
    return end.value.code


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob('*') if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_all_shards_are_one_run(words, tmp_path, monkeypatch, capsys):
    pytest.importorskip('skimage')
    words += ['--objects', 'membrane', 'synapse', '--min-size', '3']
    assert run(*words, '--out', 'whole') == 1  # a.png is skipped
    expected = contents(tmp_path / 'whole')
    assert 'masks/sub/b_tif.png' in expected
    summary = capsys.readouterr().out.partition(': masks')[2].partition('\n1 of 7')[0]

    codes = [run(*words, '--out', 'out', '--shard', f'{number}/3') for number in (2, 1)]
    assert codes == [0, 1]  # shard 1 has a.png
    assert not (tmp_path / 'out').exists()
    out = capsys.readouterr().out
    assert '2 of 3 shards are finished; out is written when all are' in out
    assert run(*words, '--out', 'out', '--shard', '3/3') == 1
    assert contents(tmp_path / 'out') == expected
    names = [json.loads(text)['inputs'] for text in expected.values() if text[:1] == b'{']
    assert len(names[0]) == 6
    out = capsys.readouterr().out
    assert f'\nout: masks{summary}\n1 of 7 files skipped: see the reasons in out/' in out

    # the same command again: nothing is computed, and the result is the same
    monkeypatch.delattr(predict, 'Predictor')
    assert run(*words, '--out', 'out', '--shard', '1/3') == 1
    assert 'is finished, and was not computed again\n1 file skipped: see' in capsys.readouterr().out
    assert contents(tmp_path / 'out') == expected

    # copied to another disk, and merged there
    (tmp_path / 'elsewhere').mkdir()
    shutil.copytree(tmp_path / 'out.shards', tmp_path / 'elsewhere/out.shards')
    assert run('--merge', 'elsewhere/out') == 1
    assert contents(tmp_path / 'elsewhere/out') == expected

    # a file that was changed is predicted again
    Image.fromarray(np.zeros((40, 48), np.uint8)).save(tmp_path / 'in/a.png')
    with pytest.raises(NameError, match='Predictor'):
        predict.main([*words, '--out', 'out', '--shard', '1/3'])


def test_more_shards_than_files(place, tmp_path):  # noqa: F811
    Image.fromarray(np.zeros((40, 48), np.uint8)).save(tmp_path / 'b.png')
    words = [place, 'x.pth', 'a.png', 'b.png', '--device', 'cpu']
    assert run(*words, '--out', 'whole') == 0
    for number in (1, 2, 3):
        assert run(*words, '--out', 'out', '--shard', f'{number}/3') == 0
    assert contents(tmp_path / 'out') == contents(tmp_path / 'whole')


@pytest.fixture
def shards(place, tmp_path):  # noqa: F811
    """A command, of which shard 2 of 3 is finished."""
    words = [place, 'x.pth', 'a.png', '--device', 'cpu', '--out', 'out']
    assert run(*words, '--shard=2/3') == 0
    return words


def test_missing_shards_are_named_with_their_command(shards, capsys):
    command = 'python tools/predict.py ' + ' '.join(shards)
    with pytest.raises(DataError) as error:
        predict.main(['--merge', 'out'])
    assert str(error.value) == (
        'out.shards lacks 2 of 3 shards, 1,3, which failed or did not end yet: run '
        f'{command} --shard 1/3, and so on for 1 other'
    )


def test_shards_of_other_runs_are_not_merged(shards, tmp_path, capsys):
    torch.save(torch.load('x.pth'), 'y.pth', _use_new_zipfile_serialization=False)
    shutil.copy('y.pth', 'x.pth')
    assert run(*shards, '--shard', '1/3') == 0
    assert run(*shards, '--shard', '3/3') == 0
    assert '2 of 3 shards are finished' in capsys.readouterr().out  # shard 2 does not count
    message = r'2-of-3 was made with another checkpoint than .*1-of-3: run the one again'
    with pytest.raises(DataError, match=message):
        predict.main(['--merge', 'out'])
    assert not (tmp_path / 'out').exists()
    assert run(*shards, '--shard', '2/3') == 0
    assert (tmp_path / 'out/masks/a.png').is_file()


@pytest.mark.parametrize('content', [None, '{'])
def test_a_damaged_shard_is_to_be_removed(shards, tmp_path, content):
    assert run(*shards, '--shard', '1/3') == 0
    manifest = tmp_path / 'out.shards/1-of-3/conversion.json'
    manifest.write_text(content) if content else manifest.unlink()
    with pytest.raises(
        DataError, match=r'shards, 1,3, .*: run rm -r out.shards/1-of-3, and then py'
    ):
        predict.main(['--merge', 'out'])
    with pytest.raises(DataError, match=r'1-of-3 was changed, or is no shard: remove it, and run'):
        predict.main([*shards, '--shard', '1/3'])


def test_jobs_that_end_together_merge_one_after_the_other(shards, tmp_path):
    from mmseg_attn.apps.predict import merge_shards

    for number in (1, 3):
        assert run(*shards, '--shard', f'{number}/3') == 0
    expected = contents(tmp_path / 'out')
    together = threading.Barrier(4)
    failures = []

    def merge() -> None:
        together.wait(20)
        try:
            merge_shards(tmp_path / 'out')
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=merge) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert contents(tmp_path / 'out') == expected


def test_shards_are_no_inputs(shards, tmp_path):
    for number in (1, 3):
        assert run(*shards, '--shard', f'{number}/3') == 0
    assert run(shards[0], 'x.pth', '.', '--device', 'cpu', '--out', 'out') == 0
    inputs = json.loads((tmp_path / 'out/conversion.json').read_text())['inputs']
    assert [*inputs] == ['a.png']


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--shard', '0/3'], '0/3 is no shard: the first of 3 is 1/3, and the last 3/3'),
        (['--shard', '4/3'], '4/3 is no shard'),
        (['--shard', '3'], '3 is not a shard such as 3/16'),
        (['--merge', 'out'], '--merge takes no other argument than the output folder'),
    ],
)
def test_arguments_without_a_meaning(words, message, capsys):
    with pytest.raises(SystemExit):
        predict.parse_args(['config.py', 'x.pth', 'a.png', '--out', 'out', *words])
    assert message in capsys.readouterr().err


def test_a_folder_without_shards(tmp_path):
    with pytest.raises(DataError, match='contains no finished shard: run'):
        predict.main(['--merge', str(tmp_path / 'out')])


def test_the_models_of_an_ensemble_config_count(words, tmp_path):
    """The checkpoint in the config is replaced between two shards."""
    text = f"_base_ = ['{Path(words[0]).resolve()}']\n"
    text += "model = dict(_delete_=True, type='EnsembleSegmentor', models={{_base_.model}},"
    text += " checkpoints=['x.pth', 'y.pth'])\n"
    (tmp_path / 'ensemble.py').write_text(text)
    shutil.copy('x.pth', 'y.pth')
    words = ['ensemble.py', 'x.pth', 'in/b.png', 'in/d.png', '--device', 'cpu', '--out', 'out']
    run(*words, '--shard', '1/2')
    weights = torch.load('x.pth')
    torch.save({name: 2 * value for name, value in weights.items()}, 'y.pth')
    run(*words, '--shard', '2/2')
    assert not (tmp_path / 'out').exists()

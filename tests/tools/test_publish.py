"""A trained model, published and used as others would."""

import shutil

import numpy as np
import pytest
from PIL import Image

from mmseg_attn.errors import UsageError
from tests.apps.publish.conftest import run  # noqa: F401  a fixture
from tests.libraries import needs_safetensors
from tools import predict, publish


@needs_safetensors
def test_the_folder_is_enough_to_predict(run, tmp_path, capsys):  # noqa: F811
    publish.main([str(run.folder), '--out', str(tmp_path / 'model')])
    assert f'the model of {run.checkpoint}' in capsys.readouterr().out
    noise = np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8)
    Image.fromarray(noise).save(tmp_path / 'a.png')
    masks = []
    for model in ([tmp_path / 'model'], [run.config, run.checkpoint]):
        out = tmp_path / f'out{len(masks)}'
        with pytest.raises(SystemExit) as end:
            predict.main([*map(str, [*model, tmp_path / 'a.png', '--out', out]), '--device', 'cpu'])
        assert end.value.code == 0
        masks.append(np.asarray(Image.open(out / 'masks/a.png')))
    np.testing.assert_array_equal(*masks)
    assert '# my-run' in (tmp_path / 'model/README.md').read_text()


@needs_safetensors
def test_a_preview_that_is_dropped_is_told(run, tmp_path, capsys):  # noqa: F811
    noise = np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8)
    Image.fromarray(noise).save(tmp_path / 'a.png')
    words = [str(run.folder), '--out', str(tmp_path / 'model')]
    publish.main([*words, '--preview', str(tmp_path / 'a.png')])
    publish.main(words)
    told = 'the earlier preview.png was removed: to draw it again, publish with --preview IMAGE\n'
    assert told in capsys.readouterr().out
    assert not (tmp_path / 'model/preview.png').exists()
    publish.main(words)
    assert told not in capsys.readouterr().out


def test_one_training_is_named(run, tmp_path):  # noqa: F811
    for fold in range(2):
        shutil.copytree(run.folder, tmp_path / f'cv/fold{fold}')
    with pytest.raises(UsageError, match=r'contains 2 trainings: name one, such as .*fold0'):
        publish.main([str(tmp_path / 'cv')])


def test_private_needs_push(capsys):
    with pytest.raises(SystemExit):
        publish.parse_args(['work', '--private'])
    assert '--private needs --push' in capsys.readouterr().err

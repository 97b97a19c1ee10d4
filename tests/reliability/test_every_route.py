"""No way in which a checkpoint is loaded takes a hostile one, and each says what is wrong."""

import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.apis import MMSegInferencer, RSInferencer, init_model
from PIL import Image

from mmseg_attn.compat.checkpoint import load_file
from mmseg_attn.engine.standard_tool import run_standard_tool
from mmseg_attn.errors import CheckpointError, DataError
from tests import hostile
from tools import calibrate, export_onnx, predict, publish, report
from tools.analysis_tools import show_attention

pytestmark = pytest.mark.usefixtures('safe_loading')

CONFIG = """
_base_ = ['{root}/configs/_base_/default_runtime.py',
          '{root}/configs/_base_/datasets/drosophila.py']
model = dict(
    type='EncoderDecoder',
    data_preprocessor=_base_.data_preprocessor,
    backbone=dict(type='UNetEncoder', in_channels=1, channels=[2, 4]),
    decode_head=dict(type='LFAHead', in_channels=[2, 4], window_size=3, num_classes=5),
    test_cfg=dict(mode='whole'),
)
train_dataloader = dict(
    batch_size=4, num_workers=0, persistent_workers=False,
    dataset=dict(indices=4, pipeline=_base_.augmented_pipeline),
)
val_dataloader = dict(num_workers=0, persistent_workers=False)
test_dataloader = val_dataloader
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.01))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
"""


def standard(name: str, *arguments: str) -> str:
    """What one of MMSegmentation's tools ends with."""
    before, sys.argv = sys.argv, [name, *map(str, arguments)]
    try:
        run_standard_tool(name)
    except SystemExit as end:
        return str(end.code)
    finally:
        sys.argv = before
    return ''


def own(main: Callable, *arguments: str) -> str:
    """What one of our tools ends with."""
    try:
        main([str(each) for each in arguments])
    except (DataError, CheckpointError) as error:
        return str(error)
    except SystemExit as end:
        return str(end.code or '')
    return ''


def function(load: Callable) -> str:
    try:
        load()
    except CheckpointError as error:
        return str(error)
    return ''


def resume(at: SimpleNamespace) -> str:
    folder = at.out / 'resumed'
    folder.mkdir()
    shutil.copy(at.file, folder / 'epoch_1.pth')
    (folder / 'last_checkpoint').write_text(str(folder / 'epoch_1.pth'))
    return standard('train.py', at.config, '--work-dir', folder, '--resume')


def work_dir(at: SimpleNamespace, name: str) -> Path:
    """A work directory with the checkpoint."""
    folder = at.out / name
    folder.mkdir()
    shutil.copy(at.file, folder / 'epoch_1.pth')
    (folder / 'last_checkpoint').write_text('epoch_1.pth')
    shutil.copy(at.config, folder / 'config.py')
    return folder


def page(at: SimpleNamespace) -> str:
    """The report is written without what the checkpoint would give, and says so."""
    folder = work_dir(at, 'reported')
    at.capsys.readouterr()
    said = own(report.main, folder, '--device', 'cpu', '--images', '0')
    missing = re.search('missing from the page: (.*)', at.capsys.readouterr().out)
    return said or (missing[1] if missing else '')


ROUTES = {
    'tools/train.py': lambda at: standard(
        'train.py', at.config, '--work-dir', at.out, '--cfg-options', f'load_from={at.file}'
    ),
    'tools/train.py --resume': resume,
    'tools/test.py': lambda at: standard('test.py', at.config, at.file, '--work-dir', at.out),
    'tools/predict.py': lambda at: own(
        predict.main, at.config, at.file, at.image, '--out', at.out / 'new', '--device', 'cpu'
    ),
    'tools/export_onnx.py': lambda at: own(
        export_onnx.main, at.config, at.file, '--out', at.out / 'x.onnx'
    ),
    'tools/calibrate.py': lambda at: own(calibrate.main, at.config, at.file, '--device', 'cpu'),
    'tools/report.py': page,
    'tools/publish.py': lambda at: own(publish.main, work_dir(at, 'trained')),
    'tools/analysis_tools/show_attention.py': lambda at: own(
        show_attention.main, at.config, at.file, at.image, '--out', at.out / 'x.png'
    ),
    'init_model': lambda at: function(lambda: init_model(str(at.config), str(at.file), 'cpu')),
    'MMSegInferencer': lambda at: function(
        lambda: MMSegInferencer(str(at.config), str(at.file), device='cpu')
    ),
    'RSInferencer': lambda at: function(
        lambda: RSInferencer.from_config_path(str(at.config), str(at.file), device='cpu')
    ),
}
# They hand checkpoints to tools/test.py, or take what it has written.
LEFT = ('cross_validate.py', 'quickstart.py', 'reproduce.py', 'analysis_tools/confusion_matrix.py')
FINE_TUNING = ('tools/train.py',)  # takes the weights that fit, and names the others


def add(file: Path, **content) -> None:
    torch.save(load_file(file) | content, file)


def program(name: str) -> Callable[[Path, str], None]:
    return lambda file, marker: add(file, more=hostile.PROGRAMS[name](marker))


def deflate(file: Path, marker: str) -> None:
    with zipfile.ZipFile(file) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, data in records.items():
            archive.writestr(name, bytes(2**26) if name.endswith('data/0') else data)


def weights(change: Callable[[str, torch.Tensor], torch.Tensor]) -> Callable[[Path, str], None]:
    def make(file: Path, marker: str) -> None:
        state = load_file(file)['state_dict']
        add(file, state_dict={key: change(key, value) for key, value in state.items()})

    return make


# What becomes of a sound checkpoint, and what is said of it
HOSTILE = {
    'os.system': (program('posix.system'), r"asks for 'posix\.system'"),
    'eval': (program('eval'), "asks for 'eval'"),
    'getattr': (program("getattr(HistoryBuffer, '__init__')"), r'asks for getattr\(HistoryBuffer'),
    'in a HistoryBuffer': (program('posix.system '), r"asks for 'posix\.system'"),
    'zip in a zip': (lambda f, m: hostile.zip_in_zip(f), "is a zip archive with 'inner"),
    'truncated': (lambda f, m: hostile.cut(f, 0.7), 'its end is missing'),
    '10 GB in a few bytes': (
        lambda f, m: hostile.claim(f, 10**10),
        r'claims to contain 1\d{10} byt',
    ),
    'zeros, compressed': (deflate, 'is compressed, which torch.save never does'),
    'a web page': (lambda f, m: f.write_text('<html>404</html>'), 'it is an HTML page'),
    'no weights': (lambda f, m: add(f, state_dict=[1]), 'no (model weights|state_dict)'),
    'another model': (
        lambda f, m: add(f, state_dict=torch.nn.Linear(2, 2).state_dict()),
        'is from another model',
    ),
    'other shapes': (
        weights(lambda key, value: value[None] if 'backbone' in key else value),
        r'does not fit the model: .* instead of',
    ),
    'other classes': (
        weights(lambda key, value: value[:3] if 'conv_seg' in key else value),
        'trained for 3 classes, but the model has 5',
    ),
}
PROGRAMS = [name for name, (_, said) in HOSTILE.items() if said.startswith('asks')]


@pytest.fixture(scope='module')
def sound(tmp_path_factory, pseudo_data):
    """A config and a checkpoint that was trained with it."""
    root, folder = Path(__file__).resolve().parent.parent.parent, tmp_path_factory.mktemp('sound')
    config = folder / 'config.py'
    config.write_text(CONFIG.format(root=root))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('DROSOPHILA_ROOT', pseudo_data['DROSOPHILA_ROOT'])
        assert standard('train.py', config, '--work-dir', folder / 'trained') == ''
    return config, folder / 'trained/epoch_1.pth'


@pytest.fixture
def at(sound, pseudo_data, tmp_path, monkeypatch, capsys):
    """What a route needs: a config, a copy of the checkpoint, an image and a folder."""
    monkeypatch.setenv('DROSOPHILA_ROOT', pseudo_data['DROSOPHILA_ROOT'])
    monkeypatch.setattr(Config, 'pretty_text', '')  # formatting takes longer than all the rest
    image, file = tmp_path / 'image.png', tmp_path / 'copy.pth'
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)).save(image)
    shutil.copy(sound[1], file)
    out = tmp_path / 'out'
    out.mkdir()
    return SimpleNamespace(config=sound[0], file=file, image=image, out=out, capsys=capsys)


def test_every_tool_that_knows_checkpoints_is_here(root):
    scripts = [*root.glob('tools/*.py'), *root.glob('tools/*/*.py')]
    known = {str(p.relative_to(root)) for p in scripts if 'checkpoint' in p.read_text().lower()}
    known -= {f'tools/{name}' for name in LEFT}
    assert known <= {name.partition(' ')[0] for name in ROUTES}
    assert len(known) > 4


@pytest.mark.parametrize('route', [each for each in ROUTES if 'onnx' not in each])
def test_a_sound_one_is_taken(route, at):
    """Exporting takes seconds, and its own tests do it."""
    assert ROUTES[route](at) == ''


@pytest.mark.parametrize('kind', PROGRAMS)
def test_the_programs_would_run(kind, at):
    HOSTILE[kind][0](at.file, str(at.out / 'marker'))
    torch.load(at.file, weights_only=False)
    assert (at.out / 'marker').exists()


@pytest.mark.parametrize('kind', HOSTILE)
@pytest.mark.parametrize('route', ROUTES)
def test_a_hostile_one_is_refused(route, kind, at, tmp_path):
    make, said = HOSTILE[kind]
    make(at.file, str(tmp_path / 'marker'))
    sentence = ROUTES[route](at)
    if route in FINE_TUNING and kind.startswith('other '):
        assert sentence == ''
        return
    assert re.search(said, sentence)
    assert '\n' not in sentence
    assert len(sentence) < 1000
    assert not (tmp_path / 'marker').exists()

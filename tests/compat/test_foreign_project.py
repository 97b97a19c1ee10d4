"""A project that imports this package for one neck, and whose checkpoints hold anything."""

import subprocess
import sys
from pathlib import Path

import mmengine
import mmseg
import pytest
import torch
from mmengine.utils import digit_version

from tests.compat.test_written_elsewhere import CONFIG
from tests.processes import environment

TOOLS = Path(mmseg.__file__).parent / '.mim/tools'
# PyTorch 2.6 and newer refuse such checkpoints, with stock MMEngine and without this package, too.
TAKEN = digit_version(torch.__version__) < digit_version('2.6') or hasattr(
    mmengine.runner.checkpoint, '_safe_torch_load'
)
PROJECT = """
import argparse, pathlib
import mmengine.hooks
from mmseg.registry import HOOKS

class Notes:
    author = 'they'

@HOOKS.register_module()
class NotesHook(mmengine.hooks.Hook):
    def before_run(self, runner):
        kinds = [type(hook) for hook in runner.hooks]
        assert mmengine.hooks.CheckpointHook in kinds, kinds

    def before_save_checkpoint(self, runner, checkpoint):
        checkpoint['meta'].update(
            folder=pathlib.Path('data'), arguments=argparse.Namespace(seed=3), notes=Notes())

    def after_load_checkpoint(self, runner, checkpoint):
        assert checkpoint['meta']['notes'].author == 'they'
        runner.logger.warning(f"their notes: {checkpoint['meta']['arguments'].seed}")
"""


@pytest.fixture(scope='module')
def project(pseudo_data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('their_project')
    (folder / 'their_project.py').write_text(PROJECT)
    config = CONFIG.replace('{data}', pseudo_data['DROSOPHILA_ROOT'])
    config = config.replace('custom_hooks = [', "custom_hooks = [dict(type='NotesHook'), ")
    (folder / 'config.py').write_text(
        f"custom_imports = dict(imports=['mmseg_attn', 'their_project'])\n{config}\n"
        "model['neck'] = dict(type='CSAMSkip', in_channels=[32, 16, 8, 4, 2])\n"
    )
    return folder


def run(project: Path, tool: str | Path, *arguments: str) -> subprocess.CompletedProcess:
    root = Path(__file__).resolve().parents[2]
    return subprocess.run(
        [sys.executable, '-W', 'ignore', str(TOOLS / tool), 'config.py', *arguments],
        cwd=project,
        env=environment(root, project) | dict(OMP_NUM_THREADS='1'),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope='module')
def trained(project) -> Path:
    done = run(project, 'train.py', '--work-dir', 'work')
    assert done.returncode == 0, done.stdout
    return project / 'work/iter_2.pth'


def test_it_resumes_and_tests_as_without_this_package(project, trained):
    resumed = run(
        project, 'train.py', '--work-dir', 'work', '--resume', '--cfg-options',
        'train_cfg.max_iters=4',
    )  # fmt: skip
    tested = run(project, 'test.py', str(trained))
    for done in (resumed, tested):
        if TAKEN:
            assert done.returncode == 0, done.stdout
            assert 'their notes: 3' in done.stdout
        else:
            assert done.returncode == 1
            assert 'Weights only load failed' in done.stdout  # PyTorch's words, not ours
    assert (project / 'work/iter_4.pth').exists() == TAKEN


PARTLY = """
import torch
import mmseg_attn
from mmengine.config import Config
from mmseg.apis import init_model

cfg = Config.fromfile('config.py')
state = init_model(cfg, device='cpu').state_dict()
del state['decode_head.conv_seg.weight']
torch.save(dict(state_dict=state, meta={}), 'part.pth')
loaded = init_model(cfg, 'part.pth', device='cpu').state_dict()
assert all(torch.equal(loaded[name], state[name]) for name in state)
"""


def test_weights_that_fill_a_model_partly_are_warned_of_as_without_this_package(project):
    (project / 'partly.py').write_text(PARTLY)
    done = run(project, project / 'partly.py')
    assert done.returncode == 0, done.stdout
    assert 'missing keys in source state_dict: decode_head.conv_seg.weight' in done.stdout

"""The tools as processes: what the user has to correct is one sentence, without a traceback."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.hostile import make_folder
from tests.processes import run_script

CONFIG = 'configs/lfa_unet/lfa-unet-b16_1xb4-600i_drosophila-128x128.py'


@pytest.fixture
def data(pseudo_data, tmp_path) -> Path:
    """A dataset to corrupt."""
    return shutil.copytree(pseudo_data['DROSOPHILA_ROOT'], tmp_path / 'data')


@pytest.fixture
def fail(data, tmp_path):
    """Run a tool that is to fail; return what it says at the end."""

    def fail(tool: str, *arguments: object) -> str:
        end = ('--work-dir', tmp_path / 'work')
        done = run_script(
            f'tools/{tool}.py', CONFIG, *arguments, *end, env=dict(DROSOPHILA_ROOT=str(data))
        )
        assert done.returncode == 1, done.stdout
        assert 'Traceback' not in done.stderr
        sentence = done.stderr.strip().splitlines()[-1]
        assert sentence.startswith('error: ')
        return sentence.removeprefix('error: ')

    return fail


@pytest.mark.parametrize('how', ['test', 'load_from'])
def test_a_hostile_checkpoint(how, fail, tmp_path):
    file, marker = tmp_path / 'iter_3.pth', tmp_path / 'marker'
    torch.save(dict(state_dict=make_folder(marker)), file)
    sentence = {
        'test': lambda: fail('test', file),
        'load_from': lambda: fail('train', '--cfg-options', f'load_from={file}'),
    }[how]()
    assert sentence.startswith(f"{file} was not loaded because it asks for 'posix.mkdir'")
    assert not marker.exists()


def test_a_missing_checkpoint(fail):
    assert 'nothing.pth can not be found' in fail('test', 'nothing.pth')


def test_missing_data(fail, data):
    shutil.rmtree(data)
    assert re.search(
        r'^The split file .* is missing: run python .*drosophila\.py SOURCE', fail('train')
    )


def test_data_that_do_not_fit(fail):
    sentence = fail('train', '--cfg-options', 'model.decode_head.num_classes=6')
    assert sentence == (
        'DrosophilaDataset has 5 classes, but the decode head has 6: '
        'set model.decode_head.num_classes to 5'
    )


@pytest.mark.parametrize('checked', [True, False])
def test_a_mask_with_a_stray_value(fail, data, checked):
    """Found before the first iteration, or by a worker during the training."""
    for mask in (data / 'annotations').iterdir():
        Image.fromarray(np.full((64, 64), 77, np.uint8)).save(mask)
    options = [] if checked else ['--cfg-options', 'default_hooks.dataset_check.samples=0']
    assert 'contains values that are not labels: 77 (4096 px)' in fail('train', *options)


def test_training_that_diverges(fail):
    options = ['optim_wrapper.optimizer.lr=1e30', 'train_dataloader.num_workers=0']
    options += ['train_dataloader.persistent_workers=False', 'model.decode_head.norm_cfg=None']
    sentence = fail('train', '--cfg-options', *options)
    assert re.search(r'^(loss|decode)\S* is (nan|inf) in iteration \d+ .*\.png', sentence)


def test_nothing_here_reads_pickles_but_the_safe_loader(root):
    unsafe = re.compile(
        r'torch\.load\(|pickle\.load\(|weights_only=False|allow_pickle|torch\.hub\.load|joblib'
    )
    files = [*root.glob('mmseg_attn/**/*.py'), *root.glob('tools/**/*.py')]
    found = [str(path.relative_to(root)) for path in files if unsafe.search(path.read_text())]
    assert len(files) > 50
    assert found == ['mmseg_attn/compat/checkpoint.py']

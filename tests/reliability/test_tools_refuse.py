"""The tools end with one sentence on a checkpoint that they cannot use, and run nothing of it."""

import os
import re
import subprocess
import sys

import pytest
import torch

CONFIG = 'configs/lfa_unet/lfa-unet-b16_1xb4-600i_drosophila-128x128.py'


class Touch:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def fail(root, pseudo_data):
    """Run a tool that is to fail; return the end of what it says."""

    def fail(tool: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', f'tools/{tool}.py', CONFIG, *arguments],
            cwd=root,
            env=os.environ | pseudo_data | dict(PYTHONPATH=str(root), OMP_NUM_THREADS='1'),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 1, done.stdout
        assert 'Traceback' not in done.stderr
        return done.stderr.strip().splitlines()[-1]

    return fail


@pytest.mark.parametrize('how', ['test', 'load_from', 'resume'])
def test_a_hostile_checkpoint(how, fail, tmp_path):
    file, marker = tmp_path / 'iter_3.pth', tmp_path / 'marker'
    torch.save(dict(state_dict=Touch(marker), meta={}, message_hub={}), file)
    (tmp_path / 'last_checkpoint').write_text(str(file))
    work_dir = ['--work-dir', str(tmp_path)]
    load_from = ['--cfg-options', f'load_from={file}']
    sentence = {
        'test': lambda: fail('test', str(file), *work_dir),
        'load_from': lambda: fail('train', *work_dir, *load_from),
        'resume': lambda: fail('train', *work_dir, '--resume'),
    }[how]()
    assert sentence.startswith('error: ')
    assert f"{file} was not loaded because it asks for 'posix.mkdir'" in sentence
    assert not marker.exists()
    torch.load(file, weights_only=False)
    assert marker.exists()  # it would have run


def test_a_checkpoint_of_another_model(fail, tmp_path):
    file = tmp_path / 'other.pth'
    torch.save(dict(state_dict=torch.nn.Linear(2, 2).state_dict(), meta={}), file)
    sentence = fail('test', str(file), '--work-dir', str(tmp_path))
    assert sentence.startswith(f'error: {file} is of another model: of the ')


def test_nothing_here_reads_pickles_but_the_safe_loader(root):
    unsafe = re.compile(
        r'torch\.load\(|pickle\.load\(|weights_only=False|allow_pickle|torch\.hub\.load|joblib'
    )
    files = [*root.glob('mmseg_attn/**/*.py'), *root.glob('tools/**/*.py')]
    found = [str(path.relative_to(root)) for path in files if unsafe.search(path.read_text())]
    assert len(files) > 50
    assert found == ['mmseg_attn/compat/checkpoint.py']

"""Two-process training on the CPU: no unused parameter, and the ranks agree."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFIGS = [
    'unet/unet-b16_1xb4-600i_drosophila-128x128.py',
    'lfa_unet/lfa-unet-b16_1xb4-600i_drosophila-128x128.py',
]


@pytest.mark.parametrize('config', CONFIGS)
def test_two_ranks_train_alike(config, root):
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2']
    command += [str(Path(__file__).with_name('train_step.py')), str(root / 'configs' / config)]
    environment = os.environ | dict(OMP_NUM_THREADS='1', PYTHONPATH=str(root))
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr

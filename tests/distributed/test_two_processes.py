"""Two-process training on the CPU: no unused parameter, and the ranks agree."""

import pytest

from tests.processes import run_ranks

CONFIGS = [
    'unet/unet-b16_1xb4-600i_drosophila-128x128.py',
    'lfa_unet/lfa-unet-b16_1xb4-600i_drosophila-128x128.py',
]


@pytest.mark.parametrize('config', CONFIGS)
def test_two_ranks_train_alike(config, root):
    for done in run_ranks('tests/distributed/train_step.py', root / 'configs' / config):
        assert done.returncode == 0, done.stderr

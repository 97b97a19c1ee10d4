import platform

import torch

from mmseg_attn.apps.reproduce.machine import environment


def test_environment_names_what_a_measurement_depends_on():
    found = environment()
    assert f'torch {torch.__version__}' in found['versions']
    assert f'Python {platform.python_version()}' in found['versions']
    for name in ('mmengine', 'mmcv', 'mmsegmentation', 'mmseg_attn', 'numpy'):
        assert name in found['versions']
    assert f' cores, PyTorch on {torch.get_num_threads()}' in found['CPU']
    assert ('GPU' in found) == torch.cuda.is_available()

"""The same seed on the same machine: the same training on the CPU, bit for bit."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

ITERATIONS = 3
CONFIGS = [
    'lfa_unet/lfa-unet-b16_1xb4-600i_drosophila-128x128.py',
    'sa_unet/sa-unet-b16_1xb4-600i_drosophila-128x128.py',  # drops blocks
    'unet_self_attention/unet-self-attention-b16_1xb4-600i_drosophila-128x128.py',
]


def train(config: Path, work_dir: Path, seed: int, workers: int) -> tuple[list[float], dict]:
    """Losses of all iterations and what is left: weights and the score of the validation."""
    cfg = Config.fromfile(config)
    loader = dict(num_workers=workers, persistent_workers=workers > 0)
    cfg.merge_from_dict(
        dict(
            train_dataloader=dict(loader, batch_size=2),
            val_dataloader=dict(loader, dataset=dict(indices=2)),
            train_cfg=dict(max_iters=ITERATIONS, val_interval=ITERATIONS),
            randomness=dict(seed=seed),
            work_dir=str(work_dir),
            experiment_name=str(work_dir),
            visualizer=None,
            test_dataloader=None,
            test_cfg=None,
            test_evaluator=None,
        )
    )
    random.seed()  # whatever was drawn before
    np.random.seed(None)
    torch.seed()
    runner = Runner.from_cfg(cfg)
    runner.train()
    losses, _ = runner.message_hub.get_scalar('train/loss').data
    score = runner.message_hub.get_scalar('val/mIoU').current()
    return list(losses), dict(runner.model.state_dict(), score=torch.tensor(score))


@pytest.mark.parametrize('config', CONFIGS)
def test_same_seed(config, root, pseudo_data, monkeypatch, tmp_path):
    monkeypatch.setenv('DROSOPHILA_ROOT', pseudo_data['DROSOPHILA_ROOT'])
    workers = 2 if config == CONFIGS[0] else 0
    path = root / 'configs' / config
    losses, left = train(path, tmp_path / 'first', 1, workers)
    again, left_again = train(path, tmp_path / 'second', 1, workers)
    assert len(losses) == ITERATIONS
    assert losses == again
    assert left.keys() == left_again.keys()
    assert [name for name in left if not torch.equal(left[name], left_again[name])] == []
    if workers:
        other, _ = train(path, tmp_path / 'third', 2, workers)
        assert not set(losses) & set(other)

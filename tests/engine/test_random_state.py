"""Random numbers go on where they stopped."""

import random

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from mmseg_attn.compat.checkpoint import load_file
from mmseg_attn.engine.random_state import WorkerSeed, random_state, set_random_state


def draw() -> list[float]:
    numbers = [random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn()]
    return [*numbers, *torch.rand(2).tolist()]


def test_the_numbers_go_on_after_a_trip_through_a_checkpoint(tmp_path):
    draw()
    torch.save(random_state(), tmp_path / 'state.pth')
    expected = draw()
    assert draw() != expected
    set_random_state(load_file(tmp_path / 'state.pth'))
    assert draw() == expected


@pytest.mark.parametrize(('gpus', 'restored'), [(1, True), (8, True), (0, False)])
def test_the_state_of_the_gpu_is_that_of_the_current_one(monkeypatch, gpus, restored):
    saved, current = torch.tensor([1, 2], dtype=torch.uint8), []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'get_rng_state', lambda: saved)
    monkeypatch.setattr(torch.cuda, 'set_rng_state', current.append)
    state = random_state()
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: gpus)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: gpus > 0)
    set_random_state(state)
    assert [each.tolist() for each in current] == [[1, 2]] * restored


def test_a_state_without_a_gpu_leaves_the_gpu_alone(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    state = random_state()
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'set_rng_state', lambda state: pytest.fail('was set'))
    set_random_state(state)


class Numbers(Dataset):
    def __init__(self, transform):
        self.transform = transform

    def __len__(self):
        return 8

    def __getitem__(self, index):
        assert self.transform(dict(index=index)) == dict(index=index)
        return torch.tensor([random.random(), np.random.rand(), float(torch.rand(()))])


def epochs(numbers: range, persistent: bool, seed: int = 3) -> list[torch.Tensor]:
    """What the workers draw in some epochs, as they do under MMEngine: seeded at their start."""
    transform = WorkerSeed(seed)
    loader = DataLoader(
        Numbers(transform),
        num_workers=2,
        persistent_workers=persistent,
        worker_init_fn=lambda worker: np.random.seed(worker),
    )
    drawn = []
    for epoch in numbers:
        transform.epoch.fill_(epoch)
        drawn.append(torch.cat(list(loader)))
    return drawn


@pytest.mark.parametrize('persistent', [True, False])
def test_workers_draw_by_the_epoch_whenever_they_started(persistent):
    alone = epochs(range(4), persistent)
    resumed = epochs(range(2, 4), persistent)
    torch.testing.assert_close(alone[2:], resumed, rtol=0, atol=0)
    every = torch.cat(alone).flatten()
    assert len(every.unique()) == len(every)
    assert not torch.equal(alone[0], epochs(range(1), persistent, seed=4)[0])


def test_this_process_is_not_seeded():
    state = random_state()
    WorkerSeed(0)({})
    assert draw() == (set_random_state(state), draw())[1]

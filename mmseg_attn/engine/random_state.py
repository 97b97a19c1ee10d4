"""Save and restore the state of the random numbers of a training."""

import random
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from torch.utils.data import get_worker_info


def random_state() -> dict[str, Any]:
    """Return the state of Python's, NumPy's and PyTorch's generators, as data for a checkpoint.

    Of the GPUs, only the generator of the current one is included: a process trains on one GPU.
    """
    kind, key, *rest = np.random.get_state()
    return dict(
        python=random.getstate(),
        numpy=(kind, key.tolist(), *rest),
        torch=torch.get_rng_state(),
        cuda=torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    )


def set_random_state(state: dict[str, Any]) -> None:
    """Restore a state that :func:`random_state` has returned.

    The GPU's generator stays unchanged if there is no GPU now, or was none when it was saved.
    """
    version, key, gauss = state['python']
    random.setstate((version, tuple(key), gauss))
    kind, key, *rest = state['numpy']
    np.random.set_state((kind, np.array(key, dtype=np.uint32), *rest))
    torch.set_rng_state(state['torch'].cpu())
    if state['cuda'] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'].cpu())


class WorkerSeed:
    """Seed the workers anew in each epoch; it is the first transform of a pipeline.

    MMEngine seeds a worker when it starts. The state of a persistent worker cannot be saved, and a
    worker that is started for each epoch draws the same numbers in all epochs. With this transform,
    the numbers follow from seed, rank, worker and epoch.

    Args:
        seed: The seed of the run.

    Attributes:
        epoch: The number of the epoch, in memory that the workers share.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rank = get_rank()
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self._seeded: int | None = None

    def __call__(self, results: dict) -> dict:
        """Seed at a worker's first image of an epoch; the image stays unchanged."""
        worker, epoch = get_worker_info(), int(self.epoch)
        if worker is not None and self._seeded != epoch:
            self._seeded = epoch
            sequence = np.random.SeedSequence([self.seed, self.rank, worker.id, epoch])
            python, numpy, pytorch = sequence.generate_state(3).tolist()
            random.seed(python)
            np.random.seed(numpy)
            torch.manual_seed(pytorch)
        return results

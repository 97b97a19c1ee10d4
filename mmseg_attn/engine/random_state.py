"""Random numbers that go on where a killed training stopped."""

import random
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from torch.utils.data import get_worker_info


def random_state() -> dict[str, Any]:
    """Return the state of Python's, NumPy's and PyTorch's generators, as data for a checkpoint.

    A process trains on one GPU: of the GPUs' generators, that of the current one is in it.
    """
    kind, key, *rest = np.random.get_state()
    return dict(
        python=random.getstate(),
        numpy=(kind, key.tolist(), *rest),
        torch=torch.get_rng_state(),
        cuda=torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    )


def set_random_state(state: dict[str, Any]) -> None:
    """Put the generators into a state that :func:`random_state` has returned.

    The GPU's generator is left alone if there is no GPU, or was none.
    """
    version, key, gauss = state['python']
    random.setstate((version, tuple(key), gauss))
    kind, key, *rest = state['numpy']
    np.random.set_state((kind, np.array(key, dtype=np.uint32), *rest))
    torch.set_rng_state(state['torch'].cpu())
    if state['cuda'] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'].cpu())


class WorkerSeed:
    """Starts the random numbers of the workers anew in each epoch; a pipeline's first transform.

    MMEngine seeds a worker when it starts: one that lives on would need to be asked for its state,
    and one that is started for each epoch draws the same numbers in all of them. With this, they
    follow from seed, rank, worker and epoch.

    Args:
        seed: The seed of the run.

    Attributes:
        epoch: The epoch, in memory that the workers share.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rank = get_rank()
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self._seeded: int | None = None

    def __call__(self, results: dict) -> dict:
        """Seed, if this is a worker's first image of an epoch; the image passes unchanged."""
        worker, epoch = get_worker_info(), int(self.epoch)
        if worker is not None and self._seeded != epoch:
            self._seeded = epoch
            sequence = np.random.SeedSequence([self.seed, self.rank, worker.id, epoch])
            python, numpy, pytorch = sequence.generate_state(3).tolist()
            random.seed(python)
            np.random.seed(numpy)
            torch.manual_seed(pytorch)
        return results

"""What property tests draw from: the same examples in every run."""

import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st


def examples(count: int) -> settings:
    """Try that many inputs, however long each takes on a busy machine."""
    return settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


sides = st.one_of(st.just(1), st.integers(1, 9), st.sampled_from([11, 13, 17]))
seeds = st.integers(0, 2**31)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)

"""In a process of its own: the setting lasts as long as the process."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys, torch
from mmseg_attn.engine.allocation import keep_freed_memory

torch.set_num_threads(1)
net = torch.nn.Sequential(*[torch.nn.Conv2d(8, 8, 3, padding=1) for _ in range(4)])
image = torch.randn(1, 8, 256, 256)


def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    net(image).sum().backward()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


before = min(pages() for _ in range(4))
assert keep_freed_memory()
after = min(pages() for _ in range(20))
print(before, after)
"""


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='glibc has it, on Linux')
def test_a_step_gets_its_memory_from_the_step_before():
    # Larger blocks go back to the system, as at first in every process; by itself glibc may change
    # this after a few steps.
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', SCRIPT],
        env=os.environ | dict(MALLOC_MMAP_THRESHOLD_=str(2**17)),
        capture_output=True,
        text=True,
        check=True,
    )
    before, after = map(int, done.stdout.splitlines()[-1].split())
    assert before > 1000  # pages of 4 KiB that the system clears
    assert after < before / 10

import pytest
import torch


@pytest.fixture
def memory(script):
    return script('memory')


def test_peak_memory_is_the_most_at_a_time(memory):
    before = torch.ones(1 << 20)
    with memory.peak_memory() as peak:
        del before  # was not allocated here
        for size in (1 << 19, 1 << 20, 1 << 18):
            torch.empty(size, dtype=torch.uint8)
        kept = torch.empty(1 << 18, dtype=torch.uint8)
        torch.empty(1 << 17, dtype=torch.uint8)
    assert len(kept) == 1 << 18
    assert peak.bytes == 1 << 20


def test_memory_inside_of_operators_counts(memory):
    x = torch.ones(1, 1, 512, 512)
    with memory.peak_memory() as peak:
        torch.nn.functional.unfold(x, 3).sum()  # nine values for each pixel
    assert peak.bytes > 8 * x.nbytes


def test_watching_memory_says_nothing(memory, capfd):
    with memory.peak_memory():
        torch.ones(3)
    assert capfd.readouterr() == ('', '')

import pytest
import torch

from mmseg_attn.errors import DataError


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


def test_what_was_allocated_before_does_not_count(memory):
    with memory.peak_memory():
        before = torch.ones(1 << 20)  # of this one the profiler knows the size
    with memory.peak_memory() as peak:
        del before
        torch.empty(1 << 18, dtype=torch.uint8)
    assert peak.bytes == 1 << 18


def test_memory_inside_of_operators_counts(memory):
    x = torch.ones(1, 1, 512, 512)
    with memory.peak_memory() as peak:
        torch.nn.functional.unfold(x, 3).sum()  # nine values for each pixel
    assert peak.bytes > 8 * x.nbytes


def test_watching_memory_says_nothing(memory, capfd):
    with memory.peak_memory():
        torch.ones(3)
    assert capfd.readouterr() == ('', '')


class GPU:
    """What PyTorch tells of a GPU whose allocator keeps what tensors free."""

    total = 100

    def __init__(self) -> None:
        self.allocated = self.peak = self.reserved = 0
        self.calls = []

    def allocate(self, size: int) -> None:
        self.allocated += size
        self.peak = max(self.peak, self.allocated)
        self.reserved = max(self.reserved, self.allocated)

    def free(self, size: int) -> None:
        self.allocated -= size

    def synchronize(self, device) -> None:
        self.calls.append(('synchronize', device))

    def empty_cache(self) -> None:
        self.reserved = self.allocated

    def reset_peak_memory_stats(self, device) -> None:
        self.calls.append(('reset', device))
        self.peak = self.allocated

    def mem_get_info(self, device) -> tuple[int, int]:
        return self.total - self.reserved, self.total

    def memory_allocated(self, device) -> int:
        return self.allocated

    def max_memory_allocated(self, device) -> int:
        return self.peak

    def device_count(self) -> int:
        return 2

    def set_device(self, index) -> None:
        self.calls.append(('set', index))


@pytest.fixture
def gpu(monkeypatch):
    gpu = GPU()
    for name in filter(lambda name: name[0] != '_', dir(gpu)):
        if hasattr(torch.cuda, name):
            monkeypatch.setattr(torch.cuda, name, getattr(gpu, name))
    return gpu


def test_what_the_allocator_keeps_in_reserve_is_free(memory, gpu):
    gpu.allocate(70)
    gpu.free(60)
    assert gpu.mem_get_info('cuda:1')[0] == 30  # what the driver tells
    assert memory.free_bytes('cuda:1') == 90


def test_the_peak_on_a_gpu_is_of_the_tensors_since_the_start(memory, gpu):
    gpu.allocate(50)
    gpu.free(40)
    with memory.peak_memory('cuda:1') as peak:
        assert gpu.reserved == 10  # nothing is left of what ran before
        gpu.allocate(20)
        gpu.free(15)
        gpu.allocate(5)
    assert peak.bytes == 20
    assert gpu.calls == [('synchronize', 'cuda:1'), ('reset', 'cuda:1')]


def test_the_current_gpu(memory, gpu):
    for device in ('cpu', 'cuda', 'cuda:1'):
        memory.use(device)
    assert gpu.calls == [('set', 0), ('set', 1)]
    with pytest.raises(DataError, match='this machine has no GPU 2; use cuda:0, cuda:1'):
        memory.use('cuda:2')

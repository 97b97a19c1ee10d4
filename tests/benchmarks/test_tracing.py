"""The tracer, against sums by hand."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.utils import digit_version
from torch import nn

KIB = 1 << 10

pytestmark = pytest.mark.skipif(
    digit_version(torch.__version__) < digit_version('2.1'),
    reason='needs PyTorch 2.1: meta tensors have no cross entropy before',
)


@pytest.fixture
def tracing(script):
    return script('tracing')


@pytest.mark.parametrize('device', ['meta', 'cpu'])
def test_each_storage_counts_once_and_until_nothing_refers_to_it(tracing, device):
    before = torch.empty(KIB, dtype=torch.uint8, device=device)
    with tracing.LiveMemory() as memory:
        memory.watch([before, {'view': before[:3]}])
        assert memory.now() == KIB
        x = torch.empty(KIB, device=device)  # 4 KiB
        view, same = x.view(32, 32).T, x.add_(1)
        y = x.to(torch.bfloat16)  # 2 KiB
        assert memory.now() == 7 * KIB
        del x, same
        assert memory.now() == 7 * KIB  # the view is there
        del view
        assert (memory.now(), memory.peak) == (3 * KIB, 7 * KIB)
        torch.empty(5 * KIB, dtype=torch.uint8, device=device)
        assert (memory.now(), memory.peak) == (3 * KIB, 8 * KIB)
        memory.reset()
        assert memory.peak == 3 * KIB
    assert len(y) == KIB


def test_a_training_step_by_hand(tracing):
    """A batch of B rows through two linear layers with SGD and momentum."""
    batch, ins, hidden, outs = 1000, 3, 5, 7
    with torch.device('meta'):
        model = nn.Sequential(nn.Linear(ins, hidden), nn.ReLU(), nn.Linear(hidden, outs))
        x = torch.empty(batch, ins)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9, foreach=False)
    weights = ins * hidden + hidden + hidden * outs + outs
    with tracing.LiveMemory() as memory:
        memory.watch([x, list(model.parameters())])

        def step() -> None:
            model(x).sum().backward()
            optimizer.step()
            optimizer.zero_grad()

        step()
        fixed = batch * ins + 2 * weights  # images, weights and their momenta
        assert memory.now() == 4 * fixed
        memory.reset()
        step()
    # The peak is in the backward pass of the ReLU. There are its output, which was kept, the
    # gradients of its output and of its input, those of the last layer's weights, and two numbers:
    # the loss and its gradient, which is expanded without a copy.
    gradients = hidden * outs + outs
    assert memory.peak == 4 * (fixed + 3 * batch * hidden + gradients + 2)


def test_values_that_are_asked_for(tracing):
    x = torch.empty(2, 3, 4, device='meta')
    mask = torch.empty(3, 4, dtype=torch.bool, device='meta')
    with tracing.LiveMemory() as memory:
        memory.watch(x)
        assert mask.sum().item() == 1
        memory.reset()
        kept = x[:, mask]
        assert kept.shape == (2, 12)
        # the values, and two indices of each
        assert memory.peak == x.nbytes + 12 * (2 * 4 + 2 * 8)
        assert x[:, torch.zeros(5, dtype=torch.int64, device='meta')].shape == (2, 5, 4)


def test_types_under_autocast_are_those_of_a_gpu(tracing):
    with torch.device('meta'):
        conv, norm, linear = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.Linear(3, 3)
        up, x = nn.ConvTranspose2d(2, 2, 2), torch.empty(1, 2, 3, 3)
        labels = torch.empty(1, 3, 3, dtype=torch.int64)
    with tracing.AsOnGPU():
        assert conv(x).dtype == torch.float32
        with torch.autocast('cpu', torch.bfloat16):
            y = conv(x)
            half = [y, norm(y).relu(), linear(y), up(x), y @ y, x @ x, F.max_pool2d(y, 2)]
            half += [torch.matmul(x, y), torch.cat([y, y]), y + y]
            full = [y.softmax(1), F.softmax(y, dim=1), F.cross_entropy(y, labels), y.log(), x]
            full += [F.interpolate(y, scale_factor=2, mode='bilinear'), y + x]
            with torch.autocast('cpu', enabled=False):
                full.append(x @ x)
    assert {out.dtype for out in half} == {torch.bfloat16}
    assert {out.dtype for out in full} == {torch.float32}


def test_attention_takes_linear_memory(tracing):
    with torch.device('meta'):
        q, k, v = (torch.empty(2, 1, 100, c, requires_grad=True) for c in (3, 3, 5))
    with tracing.LiveMemory() as memory, tracing.AsOnGPU():
        out = F.scaled_dot_product_attention(q, k, v, scale=1.0)
        assert out.shape == (2, 1, 100, 5)
        assert memory.peak == 4 * 200 * (5 + 1)  # and a number for each query
        memory.watch([q, k, v])
        out.sum().backward()
        assert memory.peak < 4 * 200 * (2 * (3 + 3 + 5) + 2 * 5 + 4)
        assert (q.grad.shape, v.grad.shape) == (q.shape, v.shape)


def test_dropout_keeps_a_byte_for_each_value(tracing):
    x = torch.empty(100, requires_grad=True, device='meta')
    with tracing.LiveMemory() as memory, tracing.AsOnGPU():
        out = F.dropout(x, 0.5)
        assert memory.now() == 400 + 100
        assert F.dropout(x, 0.5, training=False) is x
    assert out.shape == x.shape

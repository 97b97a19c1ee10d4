from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import OPTIM_WRAPPERS
from mmseg.registry import MODELS
from torch import nn

from mmseg_attn.engine.optim import bf16_optim_wrapper


def wrapper(model: nn.Module, **options):
    optimizer = dict(type='SGD', lr=0.1)
    return build_optim_wrapper(model, dict(type='BF16OptimWrapper', optimizer=optimizer, **options))


@pytest.fixture
def processor(monkeypatch):
    """Say whether the processor has bfloat16."""

    def say(has: bool) -> None:
        monkeypatch.setattr(bf16_optim_wrapper, 'has_bfloat16', lambda device: has)

    return say


def test_the_forward_pass_is_in_bfloat16_and_weights_and_gradients_are_not(processor):
    processor(True)
    model, x = nn.Linear(8, 4), torch.randn(5, 8)
    before = model.weight.detach().clone()
    optim = wrapper(model)
    with optim.optim_context(model):
        out = model(x)
    assert out.dtype == torch.bfloat16
    assert model(x).dtype == torch.float32
    optim.update_params(out.float().square().mean())
    rounded = (x.bfloat16().double(), before.bfloat16().double())
    exact = rounded[0] @ rounded[1].T + model.bias.detach()
    gradient = (2 / out.numel()) * exact.T @ rounded[0]
    assert model.weight.dtype == torch.float32
    moved = ((before - model.weight) / 0.1).double()
    assert torch.allclose(moved, gradient, rtol=0.05, atol=0.02)


def test_losses_of_a_segmentor_are_in_float32_and_gradients_are_finite(processor):
    processor(True)
    norm = dict(type='BN')
    head = dict(type='LFAHead', in_channels=[4, 8], num_classes=3, norm_cfg=norm)
    losses = [dict(type='SoftmaxFocalLoss'), dict(type='SoftIoULoss'), dict(type='SoftDiceLoss')]
    encoder = MODELS.build(dict(type='UNetEncoder', channels=[4, 8], norm_cfg=norm))
    head = MODELS.build(dict(head, loss_decode=losses))
    model = nn.Sequential(encoder, head)
    optim, seen = wrapper(model), []
    for block in head.blocks:
        block.register_forward_hook(lambda module, args, out: seen.append(out.dtype))
    with optim.optim_context(model):
        logits = model(torch.randn(2, 3, 16, 16))
        label = torch.randint(3, (2, 16, 16))
        values = [loss(logits, label) for loss in head.loss_decode]
    assert seen == [torch.bfloat16]
    assert {value.dtype for value in values} == {torch.float32}
    sum(values).backward()
    for name, weight in model.named_parameters():
        assert weight.grad.dtype == torch.float32, name
        assert weight.grad.isfinite().all(), name


def test_without_bfloat16_it_says_so_once_and_computes_in_float32(processor, monkeypatch):
    processor(False)
    said = []
    monkeypatch.setattr(bf16_optim_wrapper, 'print_log', lambda text, **options: said.append(text))
    model, x = nn.Linear(8, 4), torch.randn(5, 8)
    optim = wrapper(model)
    for _ in range(2):
        with optim.optim_context(model):
            assert torch.equal(model(x), nn.functional.linear(x, model.weight, model.bias))
    assert said == [
        'Training is in float32: this CPU has no instructions for bfloat16, so bfloat16 '
        'would be slower'
    ]


def test_a_gpu_without_bfloat16_is_told_what_to_do(processor, monkeypatch):
    processor(False)
    said = []
    monkeypatch.setattr(bf16_optim_wrapper, 'print_log', lambda text, **options: said.append(text))
    model = SimpleNamespace(parameters=lambda: iter([SimpleNamespace(device=torch.device('cuda'))]))
    with wrapper(nn.Linear(8, 4)).optim_context(model):
        pass
    assert said[0].startswith('Training is in float32: this GPU has no instructions for bfloat16')
    assert said[0].endswith('; --amp trains in float16')


def test_gradients_accumulate(processor):
    processor(True)
    model, x = nn.Linear(8, 4), torch.randn(5, 8)
    before = model.weight.detach().clone()
    optim = wrapper(model, accumulative_counts=2)
    optim.initialize_count_status(model, 0, 4)
    for changed in (False, True):
        with optim.optim_context(model):
            loss = model(x).float().mean()
        optim.update_params(loss)
        assert torch.equal(before, model.weight) != changed


def test_its_state_is_an_optimizers_without_a_scaler():
    state = wrapper(nn.Linear(8, 4)).state_dict()
    assert 'loss_scaler' not in state
    assert state['param_groups'][0]['lr'] == 0.1


@pytest.mark.parametrize(
    ('capabilities', 'has'),
    [
        (dict(avx512_f=True, avx512_bf16=True, amx_bf16=False), True),
        (dict(avx512_f=True, avx512_bf16=False, amx_bf16=False), False),
    ],
)
def test_the_processor_is_asked(monkeypatch, capabilities, has):
    monkeypatch.setattr(torch.cpu, 'get_capabilities', lambda: capabilities, raising=False)
    assert bf16_optim_wrapper.has_bfloat16(torch.device('cpu')) == has


@pytest.mark.parametrize(
    ('flags', 'has'),
    [
        ('flags : fpu avx512f avx512_bf16 amx_tile', True),
        ('Features : fp asimd bf16 sve', True),
        ('flags : fpu avx2 avx512f', False),
        (None, False),
    ],
)
def test_before_pytorch_2_10_linux_is_asked(monkeypatch, tmp_path, flags, has):
    if flags is not None:
        (tmp_path / 'cpuinfo').write_text(flags)
    monkeypatch.delattr(torch.cpu, 'get_capabilities', raising=False)
    monkeypatch.setattr(bf16_optim_wrapper, 'CPUINFO', tmp_path / 'cpuinfo')
    assert bf16_optim_wrapper.has_bfloat16(torch.device('cpu')) == has


@pytest.mark.parametrize(
    ('capability', 'has'), [((7, 0), False), ((7, 5), False), ((8, 0), True), ((9, 0), True)]
)
def test_gpus_have_it_from_ampere_on(monkeypatch, capability, has):
    monkeypatch.setattr(torch, '__version__', '2.1.0')
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda device: capability)
    assert bf16_optim_wrapper.has_bfloat16(torch.device('cuda', 1)) == has


def test_gpus_lack_it_before_pytorch_2_1(monkeypatch):
    monkeypatch.setattr(torch, '__version__', '2.0.1+cu118')
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda device: (9, 0))
    assert not bf16_optim_wrapper.has_bfloat16(torch.device('cuda', 0))


def test_a_device_that_is_neither_is_not_asked():
    assert not bf16_optim_wrapper.has_bfloat16(torch.device('meta'))


def test_mmengines_still_refuses_the_cpu():
    if torch.cuda.is_available():
        pytest.skip('there is a GPU')
    optimizer = torch.optim.SGD(nn.Linear(8, 4).parameters(), lr=0.1)
    with pytest.raises(AssertionError, match='only available'):
        OPTIM_WRAPPERS.build(dict(type='AmpOptimWrapper', optimizer=optimizer))

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn


def wrapper(model: nn.Module, **options):
    optimizer = dict(type='SGD', lr=0.1)
    return build_optim_wrapper(
        model, dict(type='Bf16OptimWrapper', optimizer=optimizer, **options)
    )


def test_forward_is_in_bfloat16_and_weights_and_gradients_are_not():
    model, x = nn.Linear(8, 4), torch.randn(5, 8)
    before = model.weight.detach().clone()
    optim = wrapper(model)
    with optim.optim_context(model):
        out = model(x)
    assert out.dtype == torch.bfloat16
    assert model(x).dtype == torch.float32
    optim.update_params(out.float().square().mean())
    rounded = x.bfloat16().float(), before.bfloat16().float()
    exact = (rounded[0] @ rounded[1].T + model.bias.detach()).double()
    gradient = (2 / out.numel()) * exact.T @ rounded[0].double()
    assert model.weight.dtype == torch.float32
    moved = ((before - model.weight) / 0.1).double()
    assert torch.allclose(moved, gradient, rtol=0.05, atol=0.02)


def test_gradients_accumulate():
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


def test_mmengines_still_refuses_the_cpu():
    if torch.cuda.is_available():
        pytest.skip('there is a GPU')
    optimizer = torch.optim.SGD(nn.Linear(8, 4).parameters(), lr=0.1)
    with pytest.raises(AssertionError, match='only available'):
        OPTIM_WRAPPERS.build(dict(type='AmpOptimWrapper', optimizer=optimizer))

"""State of optimizers that goes from one kind to the other, by way of a checkpoint."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mmseg_attn.engine.hooks import PortableOptimizerHook

HOOK = PortableOptimizerHook()


def runner(optimizer: torch.optim.Optimizer) -> SimpleNamespace:
    return SimpleNamespace(optim_wrapper=SimpleNamespace(optimizer=optimizer))


def adam(device: str = 'cpu', **settings) -> torch.optim.Optimizer:
    weight = nn.Parameter(torch.ones(2, 3, 4, 4, device=device))
    return torch.optim.Adam([weight, nn.Parameter(torch.ones(3, device=device))], **settings)


@pytest.mark.parametrize('setting', ['fused', 'capturable'])
def test_steps_are_counted_where_the_weights_are(setting):
    """The meta device stands for a GPU."""
    optimizer = adam('meta')
    optimizer.param_groups[0][setting] = True
    first = optimizer.param_groups[0]['params'][0]
    optimizer.state[first] = dict(step=torch.tensor(3.0))
    HOOK.before_train(runner(optimizer))
    assert optimizer.state[first]['step'].is_meta
    assert len(optimizer.state) == 1  # the other weight has had no gradient yet


def test_steps_that_are_not_counted_on_the_gpu_come_back_to_the_host(monkeypatch):
    """MMEngine loads all of a checkpoint to the GPU."""
    optimizer, moved = adam(), []
    first = optimizer.param_groups[0]['params'][0]
    step = torch.tensor(3.0)
    monkeypatch.setattr(torch.Tensor, 'to', lambda self, device: moved.append(device) or self)
    optimizer.state[first] = dict(step=step)
    HOOK.before_train(runner(optimizer))
    assert moved == ['cpu']
    assert optimizer.state[first]['step'] is step


@pytest.mark.parametrize('saved', [dict(), dict(fused=None), dict(fused=True)])
def test_a_loaded_optimizer_stays_as_it_was_built(saved):
    optimizer = adam()
    optimizer.defaults['fused'] = False
    checkpoint = dict(optimizer=dict(param_groups=[dict(lr=1.0, **saved)], state={}))
    HOOK.after_load_checkpoint(runner(optimizer), checkpoint)
    assert checkpoint['optimizer']['param_groups'] == [dict(lr=1.0, fused=False)]


def test_an_optimizer_that_knows_nothing_of_fusing_is_left_alone():
    optimizer = torch.optim.Rprop([nn.Parameter(torch.ones(3))])
    checkpoint = dict(optimizer=dict(param_groups=[dict(lr=1.0)], state={}))
    HOOK.after_load_checkpoint(runner(optimizer), checkpoint)
    assert checkpoint['optimizer']['param_groups'] == [dict(lr=1.0)]
    HOOK.after_load_checkpoint(runner(optimizer), {})


def test_what_is_saved_tells_nothing_of_memory():
    average = torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last)
    saved = dict(
        param_groups=[dict(lr=1.0, fused=True), dict(lr=2.0)],
        state={0: dict(exp_avg=average, step=torch.tensor(3.0), other=None)},
    )
    checkpoint = dict(optimizer=saved)
    HOOK.before_save_checkpoint(runner(adam()), checkpoint)
    found = checkpoint['optimizer']
    assert found['param_groups'] == [dict(lr=1.0, fused=None), dict(lr=2.0)]
    assert found['state'][0]['exp_avg'].is_contiguous()
    assert torch.equal(found['state'][0]['exp_avg'], average)
    assert not saved['state'][0]['exp_avg'].is_contiguous()  # that of the training is as it was


def test_averages_are_laid_out_like_their_weights():
    optimizer = adam()
    weight = optimizer.param_groups[0]['params'][0]
    weight.data = weight.data.to(memory_format=torch.channels_last)
    average = torch.rand(2, 3, 4, 4)
    optimizer.state[weight] = dict(exp_avg=average.clone(), step=torch.tensor(1.0))
    HOOK.before_train(runner(optimizer))
    found = optimizer.state[weight]['exp_avg']
    assert found.stride() == weight.stride() != average.stride()
    assert torch.equal(found, average)

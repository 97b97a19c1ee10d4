"""StageDecayConstructor: the rate of every parameter by hand."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch import nn

from mmseg_attn.errors import UsageError


class Encoder(nn.Module):
    """Two stages of one weight each, and one that nothing uses."""

    def __init__(self):
        super().__init__()
        self.model = nn.ModuleDict({name: nn.Linear(1, 1) for name in ('a', 'b', 'unused')})
        self.stem = nn.Linear(1, 1)

    def parameter_stages(self) -> dict[str, int]:
        return {'a.weight': 0, 'a.bias': 0, 'b.weight': 1, 'b.bias': 1}


def rates(model: nn.Module, **paramwise) -> dict[str, float]:
    cfg = dict(
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=1.0, weight_decay=0.1),
        constructor='StageDecayConstructor',
        paramwise_cfg=paramwise,
    )
    groups = build_optim_wrapper(model, cfg).optimizer.param_groups
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {names[id(p)]: group['lr'] for group in groups for p in group['params']}


def model() -> nn.Module:
    return nn.ModuleDict(dict(backbone=Encoder(), decode_head=nn.Linear(1, 1)))


def test_the_rate_falls_from_the_decoder_to_the_first_stage():
    assert rates(model(), stage_decay=0.5) == {
        'decode_head.weight': 1,
        'decode_head.bias': 1,
        'backbone.stem.weight': 1,
        'backbone.stem.bias': 1,
        'backbone.model.unused.weight': 1,
        'backbone.model.unused.bias': 1,
        'backbone.model.b.weight': 0.5,
        'backbone.model.b.bias': 0.5,
        'backbone.model.a.weight': 0.25,
        'backbone.model.a.bias': 0.25,
    }


def test_the_factors_of_mmengine_come_on_top():
    found = rates(
        model(), stage_decay=0.5, bias_lr_mult=2.0, custom_keys={'head': dict(lr_mult=3.0)}
    )
    assert found['backbone.model.a.weight'] == 0.25
    assert found['backbone.model.a.bias'] == 0.5
    assert found['decode_head.weight'] == 3


@pytest.mark.parametrize('decay', [None, 0, 1.5, 'small'])
def test_a_decay_out_of_range(decay):
    with pytest.raises(
        UsageError, match=f'stage_decay in paramwise_cfg is {decay!r}: set a number'
    ):
        rates(model(), stage_decay=decay, bias_lr_mult=1.0)


def test_a_model_without_stages():
    with pytest.raises(UsageError, match='found no encoder with stages'):
        rates(nn.ModuleDict(dict(backbone=nn.Linear(1, 1))), stage_decay=0.5)


def test_a_step_moves_by_the_rate():
    network = model()
    cfg = dict(
        optimizer=dict(type='SGD', lr=1.0),
        constructor='StageDecayConstructor',
        paramwise_cfg=dict(stage_decay=0.5),
    )
    before = network['backbone'].model['a'].weight.clone()
    wrapper = build_optim_wrapper(network, cfg)
    wrapper.update_params(sum(p.sum() for p in network.parameters()))
    torch.testing.assert_close(network['backbone'].model['a'].weight, before - 0.25)

"""Train the early stages of a pretrained encoder with smaller learning rates."""

from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmseg.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from ...errors import UsageError


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class StageDecayConstructor(DefaultOptimWrapperConstructor):
    """Decay the learning rate from the decoder to the first stage of ``TimmEncoder``.

    The rate of everything outside of the pretrained encoder is that of the optimizer. With n
    stages, stage i, from 0, has this rate times ``stage_decay ** (n - i)``. The decay by layer of
    BEiT (Bao et al., arXiv 2106.08254) and ConvNeXt (Liu et al., arXiv 2201.03545), by stage.

    ``paramwise_cfg`` has the entry ``stage_decay``, above 0 and at most 1, and all others of
    MMEngine's ``DefaultOptimWrapperConstructor``, whose factors come on top.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimizer with one group of parameters per parameter.

        Args:
            model: The segmentor, or its wrapper for several GPUs.

        Raises:
            UsageError: If ``stage_decay`` is missing or out of range, or the model has no encoder
                whose stages are known.
        """
        decay = self.paramwise_cfg.get('stage_decay')
        if not isinstance(decay, int | float) or not 0 < decay <= 1:
            raise UsageError(
                f'stage_decay in paramwise_cfg is {decay!r}: set a number above 0 and at most 1'
            )
        network: Any = model.module if is_model_wrapper(model) else model
        factors: dict[int, float] = {}  # by the identity of the parameter
        for module in network.modules():
            if hasattr(module, 'parameter_stages'):
                stages = module.parameter_stages()
                depth = 1 + max(stages.values())
                for name, parameter in module.model.named_parameters():
                    if name in stages:
                        factors[id(parameter)] = decay ** (depth - stages[name])
        if not factors:
            raise UsageError(
                'StageDecayConstructor found no encoder with stages in the model: use it with '
                'TimmEncoder, or leave out the constructor'
            )
        wrapper = super().__call__(model)
        for group in wrapper.optimizer.param_groups:
            group['lr'] *= factors.get(id(group['params'][0]), 1.0)
        return wrapper

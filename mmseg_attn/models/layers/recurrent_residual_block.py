"""Recurrent residual stage of R2U-Net.

Paper: Alom et al., "Recurrent Residual Convolutional Neural Network based on U-Net (R2U-Net) for
Medical Image Segmentation", arXiv 1802.06955. A recurrent layer applies one function f
(convolution, normalization and activation) repeatedly with the same weights:

    h_0 = f(x),    h_k = f(x + h_{k-1}),  k = 1 ... t

Decisions where the paper is silent, as in the widely used PyTorch implementation: a 1x1 convolution
without normalization sets the channels before the recurrent layers, and its output is what the
residual adds; nothing follows the sum; every convolution has a bias, before a normalization too.
With ``NearestUpsample`` in the decoder, R2U-Net then has that implementation's 39,091,458
parameters at base width 64 with 3 channels and 2 classes.

Unlike that implementation, each of the t + 1 applications has its own running statistics of batch
normalization, as in Cooijmans et al., "Recurrent Batch Normalization", arXiv 1603.09025. This
changes nothing in training, where each application is normalized by its own batch. In testing,
statistics that all applications share fit none of them.
"""

from typing import Any

from mmcv.cnn import build_activation_layer, build_norm_layer
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class RecurrentConv(nn.Module):
    """Apply ``f(x)``, then ``t`` times ``f(x + h)``, where f is one 3x3 convolution layer.

    Args:
        channels: Channels of the input and of the output.
        t: Number of times that the layer is applied again.
        norm_cfg: Normalization; ``None`` means none.
        act_cfg: Activation; ``None`` means ReLU.
    """

    def __init__(
        self,
        channels: int,
        *,
        t: int,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
    ):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        self.norm = build_norm_layer(norm_cfg, channels)[1] if norm_cfg else nn.Identity()
        self.act = build_activation_layer(act_cfg or dict(type='ReLU'))
        self.t = t
        self.later_norms = nn.ModuleList()  # of the applications after the first one
        if isinstance(self.norm, _BatchNorm):
            self.later_norms.extend(build_norm_layer(norm_cfg, channels)[1] for _ in range(t))
        for norm in self.later_norms:  # which differ from the first one in their statistics alone
            norm.weight, norm.bias = self.norm.weight, self.norm.bias

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer ``t + 1`` times to ``x``, ``(N, C, H, W)``."""
        h = self.act(self.norm(self.conv(x)))
        for norm in self.later_norms or [self.norm] * self.t:
            h = self.act(norm(self.conv(x + h)))
        return h

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Load; older checkpoints have one set of statistics for all applications."""
        for number, name in (('0', 'conv'), ('1', 'norm')):
            old = f'{prefix}{number}.'
            for key in [key for key in state_dict if key.startswith(old)]:
                value, last = state_dict.pop(key), key[len(old) :]
                state_dict[f'{prefix}{name}.{last}'] = value
                for k in range(len(self.later_norms) if name == 'norm' else 0):
                    state_dict[f'{prefix}later_norms.{k}.{last}'] = value
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


@MODELS.register_module()
class RecurrentResidualBlock(nn.Module):
    """Apply a 1x1 convolution and two recurrent layers with a residual; keep the size.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of every convolution.
        t: Time steps: number of times that each layer is applied again. The number of parameters
            does not depend on it.
        norm_cfg: Normalization of the recurrent layers; ``None`` means none.
        act_cfg: Activation; ``None`` means ReLU.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        t: int = 2,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
    ):
        super().__init__()
        self.project = nn.Conv2d(in_channels, out_channels, kernel_size=1)
        self.recurrent = nn.Sequential(
            *(
                RecurrentConv(out_channels, t=t, norm_cfg=norm_cfg, act_cfg=act_cfg)
                for _ in range(2)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``."""
        x = self.project(x)
        return x + self.recurrent(x)

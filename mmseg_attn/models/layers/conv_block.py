"""Stage of the U-Net (Ronneberger et al., 2015): convolutions, normalization, activation."""

from collections.abc import Sequence

from mmseg.registry import MODELS
from torch import nn

from .conv_layer import ConvLayer


@MODELS.register_module()
class ConvBlock(nn.Sequential):
    """Apply ``num_convs`` times convolution, normalization, activation; keep height and width.

    With ``dropout``, single values are dropped after the last activation.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of every convolution.
        num_convs: Number of convolutions.
        kernel_size: Side of the kernels in pixels, odd.
        dropout: Probability with which a value is dropped in training.
        bias: Whether the convolutions have a bias; ``None`` means only without
            normalization.
        norm_cfg: Normalization; ``None`` means none, and convolutions with bias.
        act_cfg: Activation; ``None`` means ReLU.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        num_convs: int = 2,
        kernel_size: int = 3,
        dropout: float = 0.0,
        bias: bool | None = None,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
    ):
        super().__init__(
            *(
                ConvLayer(
                    in_channels if i == 0 else out_channels,
                    out_channels,
                    kernel_size,
                    padding=kernel_size // 2,
                    bias='auto' if bias is None else bias,
                    norm_cfg=norm_cfg,
                    act_cfg=act_cfg or dict(type='ReLU'),
                )
                for i in range(num_convs)
            )
        )
        if dropout:
            self.append(nn.Dropout(dropout))


def per_level(block: dict | Sequence[dict] | None, levels: int) -> list[dict]:
    """Return one config per level.

    Args:
        block: One config for all levels, one for each, or ``None`` for ``ConvBlock``.
        levels: Number of levels.

    Raises:
        ValueError: If the number of configs is not the number of levels.
    """
    if block is None:
        block = dict(type=ConvBlock)
    if isinstance(block, dict):
        return [block] * levels
    if len(block) != levels:
        raise ValueError(f'got {len(block)} configs for {levels} levels: list one for each')
    return list(block)

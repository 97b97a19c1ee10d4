"""Any encoder of timm as a backbone, with a stem that keeps masks sharp.

timm's encoders begin at stride 2 or 4, and those that are pretrained cannot begin earlier: their
first convolution is strided. A decoder on their maps alone predicts masks at a half or a quarter of
the resolution, which are then enlarged. So the image also goes through a few convolutions at
stride 1 or 2, the stem, whose maps come first. It is beside the pretrained encoder, which sees the
image as in its pretraining.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from functools import partial
from math import lcm
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_attn.compat.libraries import optional_library
from mmseg_attn.errors import CheckpointError, UsageError
from mmseg_attn.models.layers import ConvLayer, pad_end
from mmseg_attn.ops import crop

from .unet_encoder import UNetEncoder

# Arguments with which timm's transformers take images of any size, Swin's and ViT's.
ANY_SIZE = (dict(strict_img_size=False), dict(dynamic_img_size=True))


@MODELS.register_module()
class TimmEncoder(BaseModule):
    """Return the stem's maps and those of a timm model, finest first.

    Weights are loaded when the model is initialized for training, not when it is built. Images of
    any size are padded with zeros at the bottom and the right to a multiple of the largest stride,
    and the padding is cropped from the maps, whose sizes are those of the image divided by the
    stride, rounded up.

    Args:
        name: Name of a timm model that has ``features_only``, with or without the tag of its
            weights, such as ``'resnet34'`` or ``'convnext_tiny.fb_in22k'``.
        in_channels: Channels of the images. timm adapts the first pretrained convolution: it sums
            the kernels over the colors for one channel, and repeats them, scaled, for others.
        stem_channels: Channels of the stem's maps, finest first, whose strides end where timm's
            begin. For a model that begins at stride 4, ``(64,)`` is a stem at stride 2, ``(32,
            64)`` one at strides 1 and 2, and ``()`` none.
        out_indices: Numbers of the timm model's maps to return; ``None`` means all that it offers.
        pretrained: Whether to load timm's weights, from its cache or from the internet, or the path
            of a file with them.
        frozen_stages: Number of the timm model's maps whose weights are not trained, finest first.
            Frozen modules stay in evaluation mode. The stem is always trained.
        drop_path_rate: Probability of dropping a residual branch in the last stage; it grows
            linearly from the first one. ``None`` means timm's default.
        with_cp: Whether to compute maps again in the backward pass, which saves memory.
        norm_cfg: Normalization of the stem; ``None`` means none.
        act_cfg: Activation of the stem; ``None`` means ReLU.
        model_args: Other arguments of the timm model.
        init_cfg: Initialization as in MMEngine, before the pretrained weights are loaded.

    Raises:
        UsageError: If timm is missing, or has no such model or arguments.
        ValueError: If the stem does not begin at stride 1 or 2, or there are fewer maps than
            ``frozen_stages``.
    """

    def __init__(
        self,
        name: str,
        *,
        in_channels: int = 3,
        stem_channels: Sequence[int] = (32,),
        out_indices: Sequence[int] | None = None,
        pretrained: bool | str = True,
        frozen_stages: int = 0,
        drop_path_rate: float | None = None,
        with_cp: bool = False,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        model_args: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ):
        super().__init__(init_cfg)
        self.name = name
        self.pretrained = pretrained
        self.model_args: dict[str, Any] = dict(model_args or {}, in_chans=in_channels)
        if out_indices is not None:
            self.model_args['out_indices'] = tuple(out_indices)
        if drop_path_rate is not None:
            self.model_args['drop_path_rate'] = drop_path_rate
        self.model: Any  # the nn.Module of timm, whose attributes type checkers do not know
        try:
            self.model = self._build()
        except (RuntimeError, TypeError) as error:
            similar = ', '.join(get_close_matches(name, _timm().list_models(), n=3))
            raise UsageError(
                f'timm cannot build {name!r} as an encoder ({error}): correct the arguments, or '
                f'name another model, {f"such as {similar}" if similar else "see timm.list_models"}'
            ) from error
        if with_cp:
            getattr(self.model, 'model', self.model).set_grad_checkpointing(True)
        info = self.model.feature_info
        self.strides: list[int] = list(info.reduction())
        self.multiple = lcm(*self.strides)
        self.channels = (*stem_channels, *info.channels())
        first = self.strides[0] / 2 ** len(stem_channels)
        self.stem_start: nn.Module = nn.Identity()
        self.stem: UNetEncoder | None = None
        if stem_channels:
            if first not in (1, 2):
                raise ValueError(
                    f'stem_channels of {name} has {len(stem_channels)} values, so that it begins '
                    f'at stride {first:g}: its maps begin at stride {self.strides[0]}, and each '
                    'value halves that; end at stride 1 or 2, or leave the stem out with ()'
                )
            width = in_channels
            if first == 2:
                width = stem_channels[0]
                self.stem_start = ConvLayer(
                    in_channels,
                    width,
                    3,
                    stride=2,
                    padding=1,
                    norm_cfg=norm_cfg,
                    act_cfg=act_cfg or dict(type='ReLU'),
                )
            self.stem = UNetEncoder(
                width, channels=stem_channels, norm_cfg=norm_cfg, act_cfg=act_cfg
            )

        if not 0 <= frozen_stages <= len(self.strides):
            raise ValueError(
                f'frozen_stages={frozen_stages}, but {name} has {len(self.strides)} maps: '
                f'set a number from 0 to {len(self.strides)}'
            )
        if frozen_stages:
            stages = self.parameter_stages()
            for key, parameter in self.model.named_parameters():
                parameter.requires_grad = stages.get(key, frozen_stages) >= frozen_stages

    def init_weights(self) -> None:
        """Initialize the stem, and load the pretrained weights.

        Raises:
            CheckpointError: If the weights cannot be read or downloaded.
        """
        super().init_weights()
        if self.pretrained:
            self.model.load_state_dict(self._load().state_dict())

    def train(self, mode: bool = True) -> 'TimmEncoder':
        """Set the mode, but leave frozen modules in evaluation mode."""
        super().train(mode)
        for module in self.model.modules():
            parameters = list(module.parameters())
            if parameters and not any(parameter.requires_grad for parameter in parameters):
                module.eval()
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Encode images.

        Args:
            x: Images ``(N, in_channels, H, W)`` of any size.

        Returns:
            The maps of the stem and of the timm model, finest first.
        """
        height, width = x.shape[2:]
        stem = () if self.stem is None else self.stem(self.stem_start(x))
        maps = self.model(pad_end(x, -height % self.multiple, -width % self.multiple))
        if str(getattr(self.model, 'output_fmt', '')).endswith('NHWC'):
            maps = [feature.permute(0, 3, 1, 2) for feature in maps]
        sizes = [(-(-height // s), -(-width // s)) for s in self.strides]
        return (*stem, *(crop(x, size) for x, size in zip(maps, sizes, strict=True)))

    def parameter_stages(self) -> dict[str, int]:
        """Return the number of the first map, from 0, that depends on each parameter of the model.

        Parameters on which no map depends are left out. Names are those in ``self.model``.
        """
        model = self._build().eval()
        parameters = dict(model.named_parameters())
        side = 7 * self.multiple  # for windows of 7 positions
        stages: dict[str, int] = {}
        with torch.enable_grad():
            maps = model(torch.zeros(1, self.model_args['in_chans'], side, side))
            for stage, x in enumerate(maps):
                gradients = torch.autograd.grad(
                    x.sum(), list(parameters.values()), retain_graph=True, allow_unused=True
                )
                for key, gradient in zip(parameters, gradients, strict=True):
                    if gradient is not None:
                        stages.setdefault(key, stage)
        return stages

    def _build(self, **kwargs: Any) -> nn.Module:
        """Build the timm model, for images of any size where it has a choice."""
        create = partial(_timm().create_model, self.name, features_only=True, **kwargs)
        model = create(**self.model_args)
        if any(getattr(module, 'strict_img_size', False) for module in model.modules()):
            for any_size in ANY_SIZE:
                try:
                    return create(**{**any_size, **self.model_args})
                except TypeError:  # it has no such argument
                    continue
        return model

    def _load(self) -> nn.Module:
        """Build the timm model with the pretrained weights."""
        source, remedy = {}, 'set pretrained to the path of a file with them, or to False'
        if isinstance(self.pretrained, str):
            source = dict(pretrained_cfg_overlay=dict(file=self.pretrained))
            if not Path(self.pretrained).is_file():
                raise CheckpointError(
                    f'{self.pretrained}, the pretrained weights of {self.name}, does not exist: '
                    f'correct the path, or set pretrained=True to download them'
                )
            remedy = f'set pretrained to weights of {self.name}'
        try:
            return self._build(pretrained=True, **source)
        except Exception as error:  # each source fails in its own way
            reason = ' '.join(f'{type(error).__name__}: {error}'.split())[:300]
            raise CheckpointError(
                f'The pretrained weights of {self.name} cannot be loaded ({reason}): {remedy}'
            ) from error


def _timm() -> ModuleType:
    return optional_library('timm', package='timm', part='TimmEncoder')

"""The decoder of LFA-UNet (Furukawa and Hotta, arXiv 2112.01702, figure 2).

Decision where the paper is silent: the upsampled decoder feature is normalized and rectified, as
the encoder feature is. Their inner product is not scaled: without that, the decoder feature grows
in training until the softmax picks a single position of each window and learns no more.
"""

from collections.abc import Sequence
from typing import Any, Literal

from mmseg.registry import MODELS

from .unet_head import UNetHead


@MODELS.register_module()
class LFAHead(UNetHead):
    """``UNetHead`` whose skip fusion is localized feature aggregation, at every level.

    Args:
        in_channels: Channels of the maps, finest first.
        window_size: Local range m in pixels; ``None`` attends to the whole map.
        residual: What is added to the aggregated value: encoder feature, decoder feature, nothing.
        query_from: Which of the two asks; the other is key and value.
        backend: Backend of the attention, see :mod:`mmseg_attn.ops`.
        upsample: Config of the upsampling; ``None`` means ``TransposedUpsample`` with ``norm_cfg``.
        norm_cfg: Normalization; ``None`` means none.
        kwargs: What else :class:`UNetHead` takes, except ``fusion``.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        *,
        window_size: int | None = 7,
        residual: Literal['encoder', 'decoder', 'none'] = 'encoder',
        query_from: Literal['encoder', 'decoder'] = 'encoder',
        backend: str = 'auto',
        upsample: dict | None = None,
        norm_cfg: dict | None = None,
        **kwargs: Any,
    ):
        fusion = dict(
            type='LocalFeatureAggregation',
            window_size=window_size,
            residual=residual,
            query_from=query_from,
            backend=backend,
        )
        upsample = upsample or dict(type='TransposedUpsample', norm_cfg=norm_cfg)
        super().__init__(in_channels, fusion=fusion, upsample=upsample, norm_cfg=norm_cfg, **kwargs)

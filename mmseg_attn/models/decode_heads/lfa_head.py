"""The decoder of LFA-UNet (Furukawa and Hotta, arXiv 2112.01702, figure 2).

The attention itself is in ``mmseg_attn/models/layers/local_feature_aggregation.py``.

Decision where the paper is silent: the upsampled decoder feature is normalized and rectified, as
the encoder feature is. Their inner product is not scaled. Without normalization, the decoder
feature grows in training until the softmax selects a single position of each window and stops
learning.
"""

from collections.abc import Sequence
from typing import Any, Literal

from mmseg.registry import MODELS

from mmseg_attn.models.layers import LocalFeatureAggregation, TransposedUpsample

from .unet_head import UNetHead


@MODELS.register_module()
class LFAHead(UNetHead):
    """Decode like ``UNetHead``, with localized feature aggregation as skip fusion at every level.

    Args:
        in_channels: Channels of the maps, finest first.
        window_size: Local range m in positions of the feature map; ``None`` attends to the whole
            map.
        residual: Feature that is added to the aggregated value: encoder, decoder or none.
        query_from: Feature that gives the query; the other one gives key and value.
        backend: Backend of the attention, see :mod:`mmseg_attn.ops`.
        upsample: Config of the upsampling; ``None`` means ``TransposedUpsample`` with ``norm_cfg``.
        norm_cfg: Normalization; ``None`` means none.
        kwargs: Other arguments of :class:`UNetHead`, except ``fusion``.
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
            type=LocalFeatureAggregation,
            window_size=window_size,
            residual=residual,
            query_from=query_from,
            backend=backend,
        )
        upsample = upsample or dict(type=TransposedUpsample, norm_cfg=norm_cfg)
        super().__init__(in_channels, fusion=fusion, upsample=upsample, norm_cfg=norm_cfg, **kwargs)

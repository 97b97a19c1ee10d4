"""Localized feature aggregation (Furukawa and Hotta, arXiv 2112.01702, section III).

Eq. 1: ``W_pq = softmax_q(f_q(p)^T f_k(q))``. Eq. 2: ``Y_p = sum_q W_pq f_v(q)``. The output is
``Y_p`` plus the encoder feature; q runs over the m x m window of p.

With ``f_q(x) = W_q x`` and so on, an inner product is ``(W_k^T W_q x_p)^T x_q``, and ``Y_p`` is
``W_v`` times a mean of the ``x_q``. So two maps are computed instead of three, and the attention
reads two.

Decisions where the paper is silent or contradicts itself:

- The encoder is the query, the decoder key and value (III.A; one sentence in III.B swaps them):
  ``query_from``.
- The maps f are 1x1 convolutions without bias ("linearly transformed"); C channels throughout.
- The inner product is not scaled, as in eq. 1.
- The maps start with weights that keep the variance (Xavier's). With PyTorch's smaller ones the
  attention begins almost uniform at the fine levels, where it blurs the decoder feature, and the
  aggregated value is small compared with the encoder feature that is added to it.
- If m does not divide a side, the windows at the bottom or the right are cut off at the edge.
"""

from typing import Literal

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_attn.ops import attention_map, global_attention, window_attention, without_autocast


@MODELS.register_module()
class LocalFeatureAggregation(nn.Module):
    """Fuse skip and decoder feature by attention inside local windows.

    Args:
        channels: Channels C of skip and decoder feature.
        window_size: Local range m in positions of the map; ``None`` attends to the whole map.
        residual: Feature that is added to the aggregated value: ``encoder`` as in the paper,
            ``decoder`` or ``none`` (Table 4).
        query_from: Feature that gives the query; the other one gives key and value.
        backend: Backend of the attention, see :mod:`mmseg_attn.ops`.

    Raises:
        ValueError: If ``residual`` or ``query_from`` is not one of the choices.
    """

    def __init__(
        self,
        channels: int,
        *,
        window_size: int | None = 7,
        residual: Literal['encoder', 'decoder', 'none'] = 'encoder',
        query_from: Literal['encoder', 'decoder'] = 'encoder',
        backend: str = 'auto',
    ):
        super().__init__()
        if residual not in ('encoder', 'decoder', 'none'):
            raise ValueError(f"residual must be 'encoder', 'decoder' or 'none', got {residual!r}")
        if query_from not in ('encoder', 'decoder'):
            raise ValueError(f"query_from must be 'encoder' or 'decoder', got {query_from!r}")
        self.out_channels = channels
        self.window_size = window_size
        self.residual = residual
        self.query_from = query_from
        self.backend = backend
        self.query = nn.Conv2d(channels, channels, kernel_size=1, bias=False)
        self.key = nn.Conv2d(channels, channels, kernel_size=1, bias=False)
        self.value = nn.Conv2d(channels, channels, kernel_size=1, bias=False)
        for layer in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, skip: Tensor, up: Tensor) -> Tensor:
        """Aggregate the features.

        Args:
            skip: Encoder feature ``(N, C, H, W)``.
            up: Decoder feature of the same shape.

        Returns:
            ``(N, C, H, W)``.
        """
        source, target = self._roles(skip, up)
        query = F.conv2d(source, self._inner_product())
        if self.window_size is None:
            mean = global_attention(query, target, target, backend=self.backend)
        else:
            mean = window_attention(query, target, target, self.window_size, backend=self.backend)
        out = self.value(mean)
        if self.residual == 'none':
            return out
        return out.add_(skip if self.residual == 'encoder' else up)

    def attention_map(self, skip: Tensor, up: Tensor, *, point: tuple[int, int]) -> Tensor:
        """Compute the attention weights ``W_pq`` of one position p.

        Args:
            skip: Encoder feature ``(N, C, H, W)``, as for ``forward``.
            up: Decoder feature of the same shape.
            point: Row and column of the position p.

        Returns:
            Weights ``(N, 1, H, W)``, which sum to one and are zero outside the position's window.
            The mean of the values with these weights is ``Y_p``.

        Raises:
            ValueError: If the position is outside the map.
        """
        source, target = self._roles(skip, up)
        return attention_map(self.query(source), self.key(target), point, self.window_size)

    def _inner_product(self) -> Tensor:
        """Return the product ``W_k^T W_q`` as a convolution weight ``(C, C, 1, 1)``."""
        query, key = self.query.weight, self.key.weight
        with without_autocast(query):
            return (key.flatten(1).T @ query.flatten(1))[..., None, None]

    def _roles(self, skip: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
        """Return the map of the query and the map of key and value."""
        return (skip, up) if self.query_from == 'encoder' else (up, skip)

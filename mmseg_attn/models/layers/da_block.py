"""DA block of DA-UNet: single-head self-attention with an ungated residual.

Paper: Li, "Deep Attention Unet: A Network Model with Global Feature Perception Ability" (arXiv
2304.10829), equations 1 to 3:

    Q, K, V = Conv_1,2,3(X)
    DA(X) = X + softmax(Q K^T / sqrt(d_k)) V

Where the paper is silent or contradicts itself:

- The convolutions are 1x1; Q and K have an eighth of the channels.
- The abstract says "channel self attention", equation 2 and the text describe positions. Tokens
  are the positions by default, and d_k is the number of channels of Q and K. With ``dim='channel'``
  tokens are the channels, and d_k is the length H W of a token. Q, K and V then have all the
  channels: each channel of Q gives a channel of the result, and each channel of K weighs one of V.
- Over positions the key convolution has no bias: it would add the same number to all the scores of
  one query and cancel in the softmax. Over channels it does not cancel and is kept.
- The paper's 40.03 mIoU is the run without the residual: ``residual=False``.
"""

from typing import Literal

from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_attn.ops import attention_map, global_attention


@MODELS.register_module()
class DABlock(nn.Module):
    """Let every position of a map (or every channel) attend to all the others.

    Args:
        channels: Channels of the map.
        qk_channels: Channels of query and key; ``None`` means ``channels // 8``, at least one. Not
            allowed with ``dim='channel'``, where they have all the channels.
        residual: Whether to add the input to the attention's output.
        dim: Tokens of the attention: positions (``spatial``) or channels (``channel``).

    Raises:
        ValueError: If ``dim`` is neither of the two, or ``qk_channels`` is given with
            ``dim='channel'``.
    """

    def __init__(
        self,
        channels: int,
        *,
        qk_channels: int | None = None,
        residual: bool = True,
        dim: Literal['spatial', 'channel'] = 'spatial',
    ):
        super().__init__()
        if dim not in ('spatial', 'channel'):
            raise ValueError(f"dim must be 'spatial' or 'channel', got {dim!r}")
        over_channels = dim == 'channel'
        if over_channels and qk_channels is not None:
            raise ValueError(
                f"leave out qk_channels={qk_channels} with dim='channel', where query and key have "
                'all the channels'
            )
        if qk_channels is None:
            qk_channels = channels if over_channels else max(channels // 8, 1)
        self.over_channels = over_channels
        self.residual = residual
        self.query = nn.Conv2d(channels, qk_channels, 1)
        self.key = nn.Conv2d(channels, qk_channels, 1, bias=over_channels)
        self.value = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Attend within ``x``, ``(N, C, H, W)``; keep the shape."""
        query, key, value = self.query(x), self.key(x), self.value(x)
        if self.over_channels:
            # as maps whose C "positions" have H*W values each: (N, H*W, C, 1)
            query, key, value = (t.flatten(2).mT.unsqueeze(-1) for t in (query, key, value))
        # d_k may be symbolic in an exported model, so the query is scaled, not the operator
        out = global_attention(query * query.shape[1] ** -0.5, key, value)
        if self.over_channels:
            out = out.squeeze(-1).mT.unflatten(2, x.shape[2:])
        return x + out if self.residual else out

    def attention_map(self, x: Tensor, *, point: tuple[int, int]) -> Tensor:
        """Compute the attention weights of one position.

        Args:
            x: Feature map ``(N, C, H, W)``, as for ``forward``.
            point: Row and column of the position.

        Returns:
            Weights ``(N, 1, H, W)``, which sum to one. The mean of the values with these weights is
            the attention's output at the position.

        Raises:
            ValueError: If the position is outside the map, or the tokens are channels.
        """
        if self.over_channels:
            raise ValueError(
                "dim='channel' attends over channels: there is no attention map over positions"
            )
        query = self.query(x)
        return attention_map(query * query.shape[1] ** -0.5, self.key(x), point)

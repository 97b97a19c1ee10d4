"""Compute attention of every position of one map to every position of another.

``out_p = sum_q softmax_q(scale * <query_p, key_q>) value_q``
"""

from torch import Tensor

from ..compat.tracing import is_exporting
from . import backends
from .global_chunks import GlobalChunks


@backends.written_out
def _reference(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Compute the formula directly, with the whole (Hq Wq) x (Hk Wk) attention map."""
    q, k, v = (x.flatten(2) for x in (query, key, value))  # (N, C, L)
    weights = (scale * q.transpose(1, 2) @ k).softmax(dim=-1)  # (N, Hq Wq, Hk Wk)
    out = v @ weights.transpose(1, 2)  # (N, Cv, Hq Wq)
    return out.unflatten(2, query.shape[2:])


def _sdpa(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Use PyTorch's fused attention; memory is linear in the number of positions."""

    def tokens(x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, H W, C)
        return x.flatten(2).mT.contiguous()

    out = backends.attend(*backends.once(tokens, query, key, value), scale)  # (N, Hq Wq, Cv)
    return out.mT.unflatten(2, query.shape[2:])


def _chunks(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Compute in chunks, fast on the CPU; memory is linear in the number of positions."""
    tokens = [x.flatten(2).mT.contiguous() for x in (query, key, value)]
    if query.element_size() < 4:
        tokens = [x.float() for x in tokens]
    out = GlobalChunks.apply(*tokens, scale)  # (N, Hq Wq, Cv)
    return out.to(value.dtype).mT.unflatten(2, query.shape[2:])


_BACKENDS = {'reference': _reference, 'sdpa': _sdpa, 'chunks': _chunks}


def global_attention(
    query: Tensor, key: Tensor, value: Tensor, scale: float = 1.0, *, backend: str = 'auto'
) -> Tensor:
    """Attend from every position of ``query`` to every position of ``key`` and ``value``.

    Args:
        query: ``(N, Ck, Hq, Wq)``.
        key: ``(N, Ck, Hk, Wk)``.
        value: ``(N, Cv, Hk, Wk)``.
        scale: Factor on the inner products, for example ``Ck ** -0.5``.
        backend: ``reference`` (the formula itself), ``sdpa`` (PyTorch's fused attention),
            ``chunks`` (CPU only, a part of the queries at a time) or ``auto``: ``chunks`` on the
            CPU, else ``sdpa``. The memory of all but the first is linear in the number of
            positions.

    Returns:
        ``(N, Cv, Hq, Wq)``.

    Raises:
        ValueError: If the shapes do not fit together or the backend is unknown.
    """
    backends.check_maps(query, key, value)
    if is_exporting():
        backend = 'sdpa'  # chunks cannot be exported
    return backends.select(_BACKENDS, backend, query)(query, key, value, scale)

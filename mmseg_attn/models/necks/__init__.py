"""Necks, which replace feature maps between a backbone and a decode head."""

from .da_bottleneck import DABottleneck
from .msam_neck import MSAMNeck
from .skip_attention import CSAMSkip, HybridAttentionSkip

__all__ = ['CSAMSkip', 'DABottleneck', 'HybridAttentionSkip', 'MSAMNeck']

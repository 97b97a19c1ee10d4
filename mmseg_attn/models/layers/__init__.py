"""Attention layers, skip fusions and blocks, one mechanism per module.

LFA is :mod:`.local_feature_aggregation`, DA is :mod:`.da_block`. Their arithmetic is in
:mod:`mmseg_attn.ops`.
"""

from .attention_gate import AttentionGate, GridAttentionGate
from .channel_attention_concatenation import ChannelAttentionConcatenation
from .channels_last import channels_last_on_cpu
from .concatenation import Concatenation
from .conv_block import ConvBlock, per_level
from .conv_layer import ConvLayer
from .csam import CSAM
from .da_block import DABlock
from .drop_block import DropBlock
from .hybrid_attention import HybridAttention
from .local_feature_aggregation import LocalFeatureAggregation
from .msam import MSAM
from .padding import pad_end
from .recurrent_residual_block import RecurrentResidualBlock
from .residual_block import ResidualBlock
from .spatial_attention import SpatialAttention
from .structured_dropout_block import StructuredDropoutBlock
from .upsample import BilinearUpsample, NearestUpsample, TransposedUpsample, match_size

__all__ = [
    'CSAM',
    'MSAM',
    'AttentionGate',
    'BilinearUpsample',
    'ChannelAttentionConcatenation',
    'Concatenation',
    'ConvBlock',
    'ConvLayer',
    'DABlock',
    'DropBlock',
    'GridAttentionGate',
    'HybridAttention',
    'LocalFeatureAggregation',
    'NearestUpsample',
    'RecurrentResidualBlock',
    'ResidualBlock',
    'SpatialAttention',
    'StructuredDropoutBlock',
    'TransposedUpsample',
    'channels_last_on_cpu',
    'match_size',
    'pad_end',
    'per_level',
]

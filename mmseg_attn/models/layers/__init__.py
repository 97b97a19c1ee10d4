from .concatenation import Concatenation
from .conv_block import ConvBlock, per_level
from .conv_layer import ConvLayer
from .csam import CSAM
from .da_block import DABlock
from .hybrid_attention import HybridAttention
from .local_feature_aggregation import LocalFeatureAggregation
from .msam import MSAM
from .residual_block import ResidualBlock
from .upsample import BilinearUpsample, TransposedUpsample, match_size

__all__ = [
    'CSAM',
    'MSAM',
    'BilinearUpsample',
    'Concatenation',
    'ConvBlock',
    'ConvLayer',
    'DABlock',
    'HybridAttention',
    'LocalFeatureAggregation',
    'ResidualBlock',
    'TransposedUpsample',
    'match_size',
    'per_level',
]

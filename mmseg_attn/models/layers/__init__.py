from .concatenation import Concatenation
from .conv_block import ConvBlock, per_level
from .local_feature_aggregation import LocalFeatureAggregation
from .upsample import BilinearUpsample, TransposedUpsample, match_size

__all__ = [
    'BilinearUpsample',
    'Concatenation',
    'ConvBlock',
    'LocalFeatureAggregation',
    'TransposedUpsample',
    'match_size',
    'per_level',
]

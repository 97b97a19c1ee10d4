"""What our necks share: the tuple that comes from the backbone and goes on to the head."""

from abc import abstractmethod
from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor


class FeatureNeck(BaseModule):
    """Exchanges some of the backbone's features and hands on all the rest as it is.

    The tuple holds the features, finest first, and after them there may be the pool indices, which
    are integer maps and go through untouched.
    """

    @abstractmethod
    def exchange(self, features: list[Tensor]) -> list[Tensor]:
        """Return as many features of the same shapes, some of them new."""

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Exchange features in the backbone's tuple; its length and its shapes stay."""
        features = [x for x in inputs if x.is_floating_point()]
        return (*self.exchange(features), *inputs[len(features) :])

    def check_channels(self, features: Sequence[Tensor], in_channels: Sequence[int]) -> None:
        """Check that the backbone gives the features that the neck was built for.

        Raises:
            ValueError: If the number of features or their channels differ.
        """
        given = [x.shape[1] for x in features]
        if given != list(in_channels):
            raise ValueError(
                f'{type(self).__name__} has in_channels={list(in_channels)}, but the backbone '
                f'gives features of {given} channels: set in_channels={given}'
            )

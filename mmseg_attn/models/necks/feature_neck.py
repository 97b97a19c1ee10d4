"""Base class of the necks, which handles the tuple from the backbone."""

from abc import abstractmethod
from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor


class FeatureNeck(BaseModule):
    """Replace some of the backbone's features and pass on the others unchanged.

    The tuple contains the features, finest first, and may end with pooling indices, which are
    integer maps and stay unchanged.
    """

    @abstractmethod
    def exchange(self, features: list[Tensor]) -> list[Tensor]:
        """Return features of the same number and shapes, some of them replaced."""

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Replace features in the backbone's tuple; keep its length and shapes."""
        features = [x for x in inputs if x.is_floating_point()]
        return (*self.exchange(features), *inputs[len(features) :])

    def check_channels(self, features: Sequence[Tensor], in_channels: Sequence[int]) -> None:
        """Check that the backbone returns the features that the neck was built for.

        Raises:
            ValueError: If the number of features or their channels differ.
        """
        channels = [x.shape[1] for x in features]
        if channels != list(in_channels):
            raise ValueError(
                f'{type(self).__name__} has in_channels={list(in_channels)}, but the backbone '
                f'returns features with {channels} channels: set in_channels={channels}'
            )

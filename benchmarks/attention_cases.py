"""Define the inputs that the attention is measured on."""

import argparse
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks import window_triton
from mmseg_attn.ops import global_attention, window_attention

WINDOW = 7
LAYOUTS = {'contiguous': torch.contiguous_format, 'channels-last': torch.channels_last}
PASSES = {'forward': 'forward', 'both': 'forward + backward'}


class Maps(NamedTuple):
    """Describe the maps: kind of attention, channels of query and key, of value, side in pixels."""

    kind: str
    key_channels: int
    channels: int
    side: int

    @classmethod
    def parse(cls, text: str) -> 'Maps':
        """Read ``KIND:CHANNELS:SIDE`` or ``KIND:KEY/VALUE:SIDE``."""
        try:
            kind, channels, side = text.split(':')
            key, _, value = channels.partition('/')
            maps = cls(kind, int(key), int(value or key), int(side))
        except ValueError:
            maps = None
        if not maps or kind not in ('window', 'global') or min(maps[1:]) < 1:
            raise argparse.ArgumentTypeError(
                f'{text} is not of the form window:64:256 or global:128/1024:32: '
                'attention, channels (of query and key/of value), side'
            )
        return maps


class Case(NamedTuple):
    """Describe one comparison."""

    maps: Maps
    dtype: torch.dtype
    layout: str
    passes: str
    batch: int
    device: str

    def __str__(self) -> str:
        return f'{self.maps.kind} attention, {", ".join(self.cells().values())}'

    def cells(self) -> dict[str, str]:
        """Return the description as cells of a table."""
        _, key, channels, side = self.maps
        of_key = f' (query and key {key})' if key != channels else ''
        return {
            'maps': f'{self.batch} x {channels} x {side} x {side}{of_key}',
            'dtype': str(self.dtype).partition('.')[2],
            'layout': self.layout,
            'passes': PASSES[self.passes],
        }

    def tensors(self) -> list[Tensor]:
        """Make query, key, value and the gradient of the result."""
        torch.manual_seed(0)
        _, key, channels, side = self.maps
        return [
            torch.randn(self.batch, count, side, side, device=self.device)
            .to(self.dtype, memory_format=LAYOUTS[self.layout])
            .requires_grad_(self.backward and i < 3)
            for i, count in enumerate((key, key, channels, channels))
        ]

    def attend(self, maps: Sequence[Tensor], backend: str) -> Tensor:
        """Run a backend on query, key and value."""
        if backend == 'triton':
            return window_triton.attend(*maps, WINDOW, self.scale)
        if self.windows:
            return window_attention(*maps, WINDOW, self.scale, backend=backend)
        return global_attention(*maps, self.scale, backend=backend)

    def reference_bytes(self) -> int:
        """Estimate the peak memory of the formula: four copies of the attention map."""
        positions = self.maps.side**2
        return 4 * 4 * self.batch * positions * (WINDOW**2 if self.windows else positions)

    @property
    def scale(self) -> float:
        """Return the factor on the inner products."""
        return self.maps.key_channels**-0.5

    @property
    def backward(self) -> bool:
        """Tell whether there is a backward pass."""
        return self.passes == 'both'

    @property
    def windows(self) -> bool:
        """Tell whether this is window attention."""
        return self.maps.kind == 'window'

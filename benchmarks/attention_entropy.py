"""Measure what the local attention of a trained LFA-UNet does at each level.

    python -m benchmarks.attention_entropy CONFIG CHECKPOINT [--images 8] [--json FILE]

The tool predicts images of the test split and computes the attention of eq. 1 of the LFA-UNet paper
in plain matrices, in all whole windows. It prints the mean over positions of

- the entropy of the weights, divided by that of equal weights: 1 for a mean of the window, 0 if one
  position has the whole weight;
- the largest weight, and the weight that a position gives to itself, each divided by an equal
  weight;
- the detail: the standard deviation within windows of the aggregated value, divided by that of the
  values. It is 0 if all positions of a window get the same value;
- the phase: the mean weight of the positions with one of the four places in blocks of 2x2, divided
  by an equal weight, for the place with most. It is 4 if the whole weight is on positions that a
  transposed convolution computes with the same of its 2x2 weights, and 1 if the place is no matter.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config, DictAction
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from mmseg.registry import DATASETS, MODELS
from torch import Tensor

import mmseg_attn  # noqa: F401  registers the parts
from mmseg_attn.models.layers import LocalFeatureAggregation

COLUMNS = 'entropy', 'largest weight', 'own weight', 'detail', 'phase'


def windows(x: Tensor, size: int) -> Tensor:
    """Cut ``(N, C, H, W)`` into whole windows, ``(windows, size * size, C)``."""
    rows, columns = (side // size for side in x.shape[2:])
    x = x[..., : rows * size, : columns * size].unflatten(2, (rows, size))
    return x.unflatten(4, (columns, size)).permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(0, 2)


def measure(query: Tensor, key: Tensor, value: Tensor, size: int) -> list[float]:
    """Compute the figures of one level from its three maps, ``(N, C, H, W)``.

    Args:
        query: The query.
        key: The key.
        value: The value.
        size: Side of the windows.

    Returns:
        The figures in the order of ``COLUMNS``.
    """
    rows, columns = (torch.arange(side) % 2 for side in query.shape[2:])
    places = windows((2 * rows[:, None] + columns).expand(len(query), 1, -1, -1), size)[..., 0]
    query, key, value = (windows(x.double(), size) for x in (query, key, value))
    weights = torch.softmax(query @ key.transpose(1, 2), dim=-1)
    aggregated, equal = weights @ value, size**2
    entropy = torch.special.entr(weights).sum(-1).mean() / math.log(equal)
    own = weights.diagonal(dim1=1, dim2=2).mean() * equal
    deviation = [x.var(dim=1, correction=0).mean().sqrt() for x in (aggregated, value)]
    received = weights.mean(dim=1) * equal
    phase = max(received[places == place].mean() for place in places.unique())
    largest, detail = weights.amax(-1).mean() * equal, deviation[0] / deviation[1]
    return [float(figure) for figure in (entropy, largest, own, detail, phase)]


def measure_model(model: torch.nn.Module, samples: list[dict]) -> dict[str, list[float]]:
    """Return the mean figures of each level of a model for the items of a dataset."""
    figures: dict[str, list[list[float]]] = {}
    hooks = []
    for name, layer in model.named_modules():
        if isinstance(layer, LocalFeatureAggregation) and layer.window_size:

            def record(layer: LocalFeatureAggregation, maps: tuple, name: str = name) -> None:
                skip, up = maps
                source, target = (skip, up) if layer.query_from == 'encoder' else (up, skip)
                three = layer.query(source), layer.key(target), layer.value(target)
                figures.setdefault(name, []).append(measure(*three, layer.window_size))

            hooks.append(layer.register_forward_pre_hook(record))
    with torch.no_grad():
        for sample in samples:
            model.test_step(pseudo_collate([sample]))
    for hook in hooks:
        hook.remove()
    return {name: np.mean(rows, axis=0).tolist() for name, rows in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path, help='config of an LFA-UNet')
    parser.add_argument('checkpoint', type=Path, help='checkpoint file')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='as in train.py')
    parser.add_argument('--images', type=int, default=8, help='number of test images')
    parser.add_argument('--json', type=Path, help='also write the figures to this file')
    args = parser.parse_args()

    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    init_default_scope('mmseg')
    model = MODELS.build(cfg.model).eval()
    load_checkpoint(model, str(args.checkpoint), map_location='cpu', logger='silent')
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    spread = np.linspace(0, len(dataset) - 1, min(args.images, len(dataset))).astype(int)
    figures = measure_model(model, [dataset[i] for i in spread.tolist()])
    print(f'{"level":28}' + ''.join(f'{column:>16}' for column in COLUMNS))
    for name, row in figures.items():
        print(f'{name:28}' + ''.join(f'{figure:16.3f}' for figure in row))
    if args.json:
        args.json.write_text(json.dumps(dict(columns=COLUMNS, levels=figures), indent=1))


if __name__ == '__main__':
    main()

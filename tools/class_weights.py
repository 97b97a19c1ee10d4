"""Count the classes in the training split of a config and print weights for the loss.

    python tools/class_weights.py CONFIG [--out DIR]

Median frequency (Eigen & Fergus, arXiv 1411.4734): the frequency of a class is its share of the
pixels of the images that hold it; a weight is the median of all frequencies over that of the class.
Inverse frequency: the mean number of pixels per class over the number of the class; the mean over
all pixels is 1. Ignored pixels do not count.

Each kind is written as a list that a loss takes by its file:

    loss_decode=dict(type='CrossEntropyLoss', class_weight='DIR/median_frequency.json')
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from mmcv.transforms import LoadAnnotations
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, TRANSFORMS

import mmseg_attn  # noqa: F401  registers the data sets
from mmseg_attn.datasets.conversion import ConversionError, progress, run_cli

IGNORE = 255


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path, help='a training config')
    parser.add_argument(
        '--out', type=Path, help='folder of the files; default: work_dirs/class_weights/<config>'
    )
    return parser.parse_args(argv)


def leaves(dataset: dict) -> Iterator[dict]:
    """The data sets inside wrappers such as ``RepeatDataset`` and ``ConcatDataset``."""
    inner = dataset.get('datasets') or ([dataset['dataset']] if 'dataset' in dataset else [])
    if not inner:
        yield dataset
    for wrapped in inner:
        yield from leaves(wrapped)


def count(dataset: dict) -> tuple[np.ndarray, tuple[str, ...]]:
    """Count the labels of a data set as its own pipeline loads them, before any augmentation.

    Returns:
        Pixels of each class in each image, (images, classes), and the classes.

    Raises:
        ConversionError: If the pipeline loads no annotations or a label is no class.
    """
    loaders = [
        transform
        for transform in dataset['pipeline']
        if issubclass(TRANSFORMS.get(transform['type']), LoadAnnotations)
    ]
    if not loaders:
        raise ConversionError(f'the pipeline of {dataset["type"]} loads no annotations: add one')
    built = DATASETS.build(dict(dataset, pipeline=loaders))
    classes = tuple(built.metainfo['classes'])
    rows = []
    for i in progress(range(len(built)), 'counting image'):
        results = built[i]
        row = np.bincount(results['gt_seg_map'].ravel(), minlength=256)
        if row[len(classes) : IGNORE].any():
            label = len(classes) + int(row[len(classes) : IGNORE].argmax())
            raise ConversionError(
                f'{results["seg_map_path"]} holds the label {label}, but there are only '
                f'{len(classes)} classes'
            )
        rows.append(row[: len(classes)])
    return np.array(rows), classes


def weights(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Weights from the pixels of each class in each image, (images, classes), all occurring."""
    total = pixels.sum(axis=0)
    present = np.where(pixels > 0, pixels.sum(axis=1, keepdims=True), 0).sum(axis=0)
    frequency = total / present
    return dict(
        median_frequency=np.median(frequency) / frequency, inverse_frequency=total.mean() / total
    )


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if not args.config.is_file():
        raise ConversionError(f'{args.config} is missing: name a config file')
    cfg = Config.fromfile(args.config)
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    try:
        counts = [count(leaf) for leaf in leaves(cfg.train_dataloader.dataset)]
    except (ValueError, AssertionError) as error:  # what data sets and loaders raise
        raise ConversionError(str(error)) from error
    classes = counts[0][1]
    pixels = np.concatenate([rows for rows, _ in counts])
    absent = [name for name, n in zip(classes, pixels.sum(axis=0), strict=True) if n == 0]
    if absent:
        raise ConversionError(
            f'{", ".join(absent)} does not occur in the {len(pixels)} training images, so that it '
            'has no weight: use another split'
        )
    found = weights(pixels)
    out = args.out or Path('work_dirs/class_weights') / args.config.stem
    out.mkdir(parents=True, exist_ok=True)
    print(f'{len(pixels)} training images')
    print(f'{"class":24}{"pixels":>14}{"median freq.":>14}{"inverse freq.":>14}')
    for i, name in enumerate(classes):
        row = ''.join(f'{found[kind][i]:14.4f}' for kind in found)
        print(f'{name:24}{pixels[:, i].sum():14d}{row}')
    for kind, values in found.items():
        rounded = [float(f'{value:.5g}') for value in values]
        file = out / f'{kind}.json'
        file.write_text(f'{json.dumps(rounded)}\n')
        print(f"\nclass_weight='{file}'\nclass_weight={rounded}")


if __name__ == '__main__':
    run_cli(main)

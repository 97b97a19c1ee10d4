"""Compute and draw the confusion matrix of predicted masks on the test set.

    python tools/test.py CONFIG CHECKPOINT --out MASKS
    python tools/analysis_tools/confusion_matrix.py CONFIG MASKS --out DIR

The tool writes confusion_matrix.csv (pixels, one row per true class) and confusion_matrix.png
(percent of the true class) to DIR. MMSegmentation's own tool counts in 8 bits, which gives wrong
results for 17 or more classes.
"""

import argparse
import csv
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path, help='config file')
    parser.add_argument(
        'masks', type=Path, help='folder of predicted masks: a PNG file per image, of the same name'
    )
    parser.add_argument('--out', type=Path, required=True, help='output folder')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change settings of the config',
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

from mmengine.registry import init_default_scope

import mmseg_attn  # noqa: F401  registers the datasets
from mmseg_attn.apps.cli import load_config, progress, run_cli
from mmseg_attn.datasets.building import build_split, class_names
from mmseg_attn.evaluation.confusion import confusion_of_masks, ignored_by
from mmseg_attn.io import counted
from mmseg_attn.visualization.confusion_plot import plot_confusion


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    cfg = load_config(args.config, args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    dataset = build_split(cfg, 'test')
    classes = class_names(dataset)
    counts = confusion_of_masks(
        dataset,
        args.masks,
        ignored=ignored_by(cfg.get('test_evaluator')),
        watch=lambda indices: progress(indices, 'comparing image'),
    )
    args.out.mkdir(parents=True, exist_ok=True)
    with (args.out / 'confusion_matrix.csv').open('w', newline='', encoding='utf-8') as file:
        table = csv.writer(file)
        table.writerow(['true class', *classes])
        table.writerows([name, *row] for name, row in zip(classes, counts.tolist(), strict=True))
    plot_confusion(counts, classes, args.out / 'confusion_matrix.png')
    print(
        f'{args.out}: confusion_matrix.csv and confusion_matrix.png of '
        f'{counted(len(dataset), "image")}'
    )


if __name__ == '__main__':
    run_cli(main)

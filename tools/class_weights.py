"""Compute class weights for the loss from the training split of a config.

    python tools/class_weights.py CONFIG [--out DIR]

The weights are computed by median frequency and by inverse frequency; the formulas are in
mmseg_attn/apps/check/class_weights.py. Each list is written to a file that a loss can read:

    loss_decode=dict(type='SoftmaxFocalLoss', gamma=0, class_weight='DIR/median_frequency.json')

With gamma=0 this loss is cross entropy. MMSegmentation's CrossEntropyLoss reads the file too, but
stops with an IndexError at the first ignored pixel.
"""

import argparse
import json
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path, help='training config')
    parser.add_argument(
        '--out', type=Path, help='output folder; default: work_dirs/class_weights/<config>'
    )
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
from mmseg_attn.apps.check.class_weights import class_weights, count_pixels, ignored_label
from mmseg_attn.apps.cli import load_config, progress, run_cli
from mmseg_attn.datasets.building import build_split, class_names
from mmseg_attn.errors import DataError
from mmseg_attn.io import counted


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    cfg = load_config(args.config, args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    try:
        dataset = build_split(cfg, 'train')
        classes = class_names(dataset)
        ignored = ignored_label(cfg)
        pixels = count_pixels(
            dataset, ignored=ignored, watch=lambda images: progress(images, 'counting image')
        )
        weights = class_weights(pixels, classes=classes, ignored=ignored)
    except (ValueError, AssertionError) as error:  # what datasets and loaders raise
        raise DataError(str(error)) from error
    out = args.out or Path('work_dirs/class_weights') / args.config.stem
    out.mkdir(parents=True, exist_ok=True)
    print(counted(len(pixels), 'training image'))
    print(f'{"class":24}{"pixels":>14}{"median freq.":>14}{"inverse freq.":>14}')
    for i, name in enumerate(classes):
        row = ''.join(f'{values[i]:14.4f}' for values in weights.values())
        print(f'{name:24}{pixels[:, i].sum():14d}{row}')
    for kind, values in weights.items():
        file = out / f'{kind}.json'
        file.write_text(f'{json.dumps(values)}\n')
        print(f"\nclass_weight='{file}'\nclass_weight={values}")


if __name__ == '__main__':
    run_cli(main)

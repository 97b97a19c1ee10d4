"""Write a small synthetic ssTEM stack in the layout of the Drosophila stack.

It serves to try things out: no figure measured on it says anything about real data.
Turn it into a data set with tools/dataset_converters/drosophila.py.
"""

import argparse
from pathlib import Path

from PIL import Image

from mmseg_attn.datasets.conversion import at_least, progress, run_cli, staged_output, write_png
from mmseg_attn.datasets.synthetic_sstem import MIN_SIZE, synthetic_slice


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('out', type=Path, help='the folder of the stack')
    parser.add_argument('--slices', type=at_least(1), default=5, help='default: %(default)s')
    parser.add_argument(
        '--size', type=at_least(MIN_SIZE), default=512, help='pixels per side; default: %(default)s'
    )
    parser.add_argument('--seed', type=at_least(0), default=0, help='default: %(default)s')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with staged_output(args.out, converter='synthetic_sstem') as stage:
        images, labels = stage.folder / 'raw', stage.folder / 'labels'
        images.mkdir()
        labels.mkdir()
        for i in progress(range(args.slices), 'drawing slice'):
            image, label = synthetic_slice(args.size, seed=args.seed, index=i)
            Image.fromarray(image).save(images / f'{i:02d}.tif')
            write_png(labels / f'labels{i:08d}.png', label)
        stage.manifest.update(
            settings=dict(slices=args.slices, size=args.size, seed=args.seed),
        )
    print(f'{args.out}: {args.slices} synthetic slices of {args.size}x{args.size}')


if __name__ == '__main__':
    run_cli(main)

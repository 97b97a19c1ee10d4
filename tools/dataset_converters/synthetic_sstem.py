"""Generate a small synthetic ssTEM stack in the layout of the Drosophila stack.

Use it for trials only: metrics on it say nothing about real data. Convert the stack to a dataset
with tools/dataset_converters/drosophila.py.
"""

import argparse
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('out', type=Path, help='output folder')
    parser.add_argument(
        '--slices', type=int, default=5, help='number of slices; default: %(default)s'
    )
    parser.add_argument(
        '--size', type=int, default=512, help='pixels per side; default: %(default)s'
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='seed of the stack; default: %(default)s'
    )
    args = parser.parse_args(argv)
    for name, minimum in (('slices', 1), ('size', 128), ('seed', 0)):
        if getattr(args, name) < minimum:
            parser.error(f'argument --{name}: {getattr(args, name)} is below {minimum}')
    return args


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

from PIL import Image

from mmseg_attn.apps.cli import progress, run_cli
from mmseg_attn.apps.convert.synthetic_sstem import synthetic_slice
from mmseg_attn.io import staged_output, write_png


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

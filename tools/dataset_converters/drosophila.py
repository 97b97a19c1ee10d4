"""Convert the Drosophila ssTEM stack (doi:10.6084/m9.figshare.856713) to a dataset of crops.

Only labels/ is used for the masks, because the folders membranes/, mitochondria/ and synapses/
disagree with it. The paper (arXiv 2112.01702) probably distributes single crops over the folds.
Crops of one slice and neighboring slices look alike, so scores on these folds are optimistic for
other tissue. To keep the crops of a slice in one fold, use --split-unit slice.
"""

import argparse
import math
import re
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'source', type=Path, help='cloned repository, its folder stack1, or an archive of it'
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('data/drosophila'),
        help='output folder; default: %(default)s',
    )
    parser.add_argument(
        '--crop-size', type=int, default=256, help='pixels per side; default: %(default)s'
    )
    parser.add_argument(
        '--split-unit',
        choices=('crop', 'slice'),
        default='crop',
        help='unit that is assigned to a fold: crops as probably in the paper, or whole slices; '
        'default: %(default)s',
    )
    parser.add_argument(
        '--folds', type=int, default=5, help='number of folds; default: %(default)s'
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='seed of the folds; default: %(default)s'
    )
    parser.add_argument(
        '--max-unpacked-size',
        type=int,
        default=8,
        metavar='GIB',
        help='largest size of an unpacked archive; default: %(default)s',
    )
    args = parser.parse_args(argv)
    for name, minimum in (('crop_size', 1), ('folds', 3), ('max_unpacked_size', 1)):
        if getattr(args, name) < minimum:
            option = name.replace('_', '-')
            parser.error(f'argument --{option}: {getattr(args, name)} is below {minimum}')
    return args


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

import numpy as np

from mmseg_attn.apps.cli import progress, run_cli
from mmseg_attn.apps.convert import class_table, make_folds, split_table, write_splits
from mmseg_attn.datasets import DrosophilaDataset
from mmseg_attn.errors import DataError
from mmseg_attn.io import (
    counted,
    fingerprint,
    read_gray8,
    read_manifest,
    staged_output,
    unpack,
    write_png,
)

CLASSES = DrosophilaDataset.METAINFO['classes']
MEMBRANES = (0, 32, 64, 96, 128)  # at 0, 45, 90 and 135 degrees; junctions
OFFICIAL = dict.fromkeys(MEMBRANES, 'membrane') | {
    159: 'extracellular',
    191: 'mitochondria',
    223: 'synapse',
    255: 'intracellular',
}
UNKNOWN = 255
TO_CLASS = np.full(256, UNKNOWN, dtype=np.uint8)
for _value, _name in OFFICIAL.items():
    TO_CLASS[_value] = CLASSES.index(_name)


def find_stack(root: Path) -> Path:
    """Find the folder with raw/ and labels/, at most two levels below ``root``."""
    folders = [root, *sorted(root.glob('*')), *sorted(root.glob('*/*'))]
    stacks = [path for path in folders if (path / 'raw').is_dir() and (path / 'labels').is_dir()]
    if root not in stacks:
        stacks = [path for path in stacks if path.name == 'stack1'] or stacks
        if len(stacks) != 1:
            raise DataError(
                f'{root} contains {counted(len(stacks), "stack")} (folders with raw/ and labels/) '
                'instead of one: name the folder of the stack'
            )
    return stacks[0]


def synthetic_stack(stack: Path) -> dict[str, dict]:
    """Return the entry of the manifest for a drawn stack, its settings; empty for another one."""
    manifest = read_manifest(stack)
    try:
        drawn = manifest['converter'] == 'synthetic_sstem'
        return dict(synthetic_stack=dict(manifest['settings'])) if drawn else {}
    except (ValueError, KeyError, TypeError):
        return {}


def numbered_files(folder: Path, pattern: str) -> dict[int, Path]:
    """Find the files of a folder whose names match, by the number in the name."""
    files: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        match = re.fullmatch(pattern, path.name)
        if match:
            first = files.setdefault(int(match[1]), path)
            if first != path:
                raise DataError(f'{first} and {path} have the same number: remove one')
    return files


def pair_slices(stack: Path) -> list[tuple[Path, Path]]:
    """Pair the image and the labels of every slice.

    Raises:
        DataError: If an image or a label map is missing, also within the numbering.
    """
    images = numbered_files(stack / 'raw', r'(\d+)\.tif')
    labels = numbered_files(stack / 'labels', r'labels(\d+)\.png')
    numbers = range(max([*images, *labels], default=0) + 1)
    missing = [f'raw/{i:02d}.tif' for i in numbers if i not in images]
    missing += [f'labels/labels{i:08d}.png' for i in numbers if i not in labels]
    if missing:
        raise DataError(f'{stack} has no {", ".join(missing)}: get the complete stack')
    return [(images[i], labels[i]) for i in numbers]


def load_slice(image_path: Path, label_path: Path, crop: int) -> tuple[np.ndarray, np.ndarray]:
    """Read and check one slice.

    Returns:
        The image and its class indices, both (H, W) and uint8.

    Raises:
        DataError: If a file is damaged or not grayscale, if the sizes differ or are not
            multiples of ``crop``, or if a label value is unknown.
    """
    image, labels = read_gray8(image_path), read_gray8(label_path)
    height, width = image.shape
    if labels.shape != image.shape:
        raise DataError(
            f'{label_path} is {labels.shape[1]}x{labels.shape[0]}, '
            f'but its image {image_path} is {width}x{height}: use the original files'
        )
    if height % crop or width % crop:
        common = math.gcd(height, width)
        best = max(size for size in range(1, min(crop, common) + 1) if common % size == 0)
        raise DataError(
            f'{image_path} is {width}x{height}, which cannot be divided into crops of '
            f'{crop}x{crop}: use --crop-size {best}'
        )
    mask = TO_CLASS[labels]
    values, counts = np.unique(labels[mask == UNKNOWN], return_counts=True)
    if len(values):
        unknown = ', '.join(f'{v} ({n} px)' for v, n in zip(values, counts, strict=True))
        raise DataError(
            f'{label_path} contains unknown label values: {unknown}; the labels of the stack are '
            f'{", ".join(map(str, OFFICIAL))}: use the original files'
        )
    return image, mask


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    crop = args.crop_size
    with staged_output(args.out, converter='drosophila') as stage:
        root = args.source
        if not root.is_dir():
            unpack(root, stage.scratch, max_bytes=args.max_unpacked_size * 2**30)
            root = stage.scratch
        stack = find_stack(root)
        slices = pair_slices(stack)
        shapes = [load_slice(*paths, crop)[0].shape for paths in progress(slices, 'checking slice')]
        groups: dict[str, list[str]] = {}
        for i, (height, width) in enumerate(shapes):
            for row, col in np.ndindex(height // crop, width // crop):
                stem = f'{i:02d}_{row:02d}_{col:02d}'
                unit = stem if args.split_unit == 'crop' else f'{i:02d}'
                groups.setdefault(unit, []).append(stem)
        folds = make_folds(groups, folds=args.folds, seed=args.seed, unit=args.split_unit)

        images, masks = stage.folder / 'images', stage.folder / 'annotations'
        images.mkdir()
        masks.mkdir()
        pixels = np.zeros(len(CLASSES), dtype=np.int64)
        for i, paths in enumerate(progress(slices, 'cutting slice')):
            image, mask = load_slice(*paths, crop)
            pixels += np.bincount(mask.ravel(), minlength=len(CLASSES))
            for row, col in np.ndindex(image.shape[0] // crop, image.shape[1] // crop):
                window = np.s_[row * crop : (row + 1) * crop, col * crop : (col + 1) * crop]
                name = f'{i:02d}_{row:02d}_{col:02d}.png'
                write_png(images / name, image[window])
                write_png(masks / name, mask[window])
        write_splits(stage.folder / 'splits', folds)
        crops = len(list(images.iterdir()))
        stage.manifest.update(
            settings=dict(
                crop_size=crop, split_unit=args.split_unit, folds=args.folds, seed=args.seed
            ),
            **synthetic_stack(stack),
            source=fingerprint(path for paths in slices for path in paths),
            slices=len(slices),
            crops=crops,
            pixels=dict(zip(CLASSES, pixels.tolist(), strict=True)),
        )
    state = ' (already up to date)' if stage.unchanged else ''
    print(f'{args.out}: {len(slices)} slices, {crops} crops of {crop}x{crop}{state}')
    print(f'\n{split_table(folds)}\n\n{class_table(CLASSES, pixels.tolist())}')


if __name__ == '__main__':
    run_cli(main)

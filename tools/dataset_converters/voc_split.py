"""Combine the train and val splits of PASCAL VOC 2012 and split them 90:10, as in the MSANet paper.

VOC_ROOT is the folder VOC2012 with JPEGImages/, SegmentationClass/ and ImageSets/. The tool checks
every image and mask and writes the split files train.txt and test.txt to a new folder. It changes
no other file.
"""

import argparse
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('voc_root', type=Path, metavar='VOC_ROOT', help='folder VOC2012')
    parser.add_argument(
        '--out', type=Path, help='output folder; default: VOC_ROOT/ImageSets/SegmentationPooled'
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='seed of the split; default: %(default)s'
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

import numpy as np
from mmseg.registry import DATASETS

from mmseg_attn.apps.cli import progress, run_cli
from mmseg_attn.apps.convert import class_table, make_folds
from mmseg_attn.errors import DataError
from mmseg_attn.io import counted, decode_image, staged_output

CLASSES = DATASETS.get('PascalVOCDataset').METAINFO['classes']
IGNORE = 255
LISTS = 'ImageSets/Segmentation'
PARTS = 10  # one part for testing


def read_names(root: Path) -> list[str]:
    """Read the names in train.txt and val.txt.

    Raises:
        DataError: If a list is missing, empty or not text, or contains a name twice.
    """
    names: list[str] = []
    for part in ('train', 'val'):
        path = root / LISTS / f'{part}.txt'
        if not path.is_file():
            raise DataError(f'{path} is missing: name the folder VOC2012 of the release')
        try:
            part_names = path.read_text(encoding='utf-8-sig').split()
        except UnicodeDecodeError as error:
            raise DataError(f'{path} is not a text file: get the complete release') from error
        if not part_names:
            raise DataError(f'{path} is empty: get the complete release')
        names += part_names
    twice = [name for name in set(names) if names.count(name) > 1]
    if twice:
        raise DataError(f'{root / LISTS} lists {min(twice)} twice: use the original lists')
    return sorted(names)


def read_mask(root: Path, name: str) -> np.ndarray:
    """Read and check an image and its mask.

    Returns:
        The class indices and 255, (H, W).

    Raises:
        DataError: If a file is missing or damaged, or the mask does not fit the image.
    """
    paths = root / 'JPEGImages' / f'{name}.jpg', root / 'SegmentationClass' / f'{name}.png'
    for path in paths:
        if not path.is_file():
            raise DataError(f'{path} is missing: get the complete release')
    image, _ = decode_image(paths[0].read_bytes(), name=paths[0], formats=['JPEG'])
    mask, mode = decode_image(paths[1].read_bytes(), name=paths[1])
    if mode not in ('P', 'L'):
        raise DataError(
            f'{paths[1]} has the mode {mode} and is not a label map: use the original '
            'SegmentationClass'
        )
    if mask.shape != image.shape[:2]:
        raise DataError(
            f'{paths[1]} is {mask.shape[1]}x{mask.shape[0]}, '
            f'but its image {paths[0]} is {image.shape[1]}x{image.shape[0]}: get the complete '
            'release'
        )
    unknown = np.unique(mask[(mask >= len(CLASSES)) & (mask != IGNORE)])
    if unknown.size:
        raise DataError(
            f'{paths[1]} contains unknown label values: {", ".join(map(str, unknown[:5]))}; the '
            f'labels are 0 to {len(CLASSES) - 1} and {IGNORE}: use the original SegmentationClass'
        )
    return mask


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    out = args.out or args.voc_root / 'ImageSets' / 'SegmentationPooled'
    names = read_names(args.voc_root)
    if len(names) < PARTS:
        raise DataError(
            f'{args.voc_root} lists {counted(len(names), "labeled image")}, but a split of 9:1 '
            f'needs {PARTS}: use the whole release'
        )
    fold = make_folds({name: [name] for name in names}, folds=PARTS, seed=args.seed)['fold0']
    split = {'train': sorted(fold['train'] + fold['val']), 'test': fold['test']}
    pixels = np.zeros(256, dtype=np.int64)
    with staged_output(out, converter='voc_split') as stage:
        for name in progress(names, 'checking image'):
            pixels += np.bincount(read_mask(args.voc_root, name).ravel(), minlength=256)
        for part, members in split.items():
            text = ''.join(f'{name}\n' for name in members)
            (stage.folder / f'{part}.txt').write_text(text, encoding='utf-8')
        stage.manifest.update(settings=dict(seed=args.seed), images=len(names))
    state = ' (already up to date)' if stage.unchanged else ''
    print(f'{out}: {len(split["train"])} train, {len(split["test"])} test{state}')
    counts = [*pixels[: len(CLASSES)].tolist(), int(pixels[IGNORE])]
    print(f'\n{class_table([*CLASSES, "(ignored)"], counts)}')


if __name__ == '__main__':
    run_cli(main)

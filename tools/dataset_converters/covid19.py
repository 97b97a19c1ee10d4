"""Convert the COVID-19 CT segmentation dataset of medicalsegmentation.com.

SOURCE is the folder with tr_im.nii.gz, tr_mask.nii.gz and tr_lungmasks_updated.nii.gz. The four
classes of the paper (arXiv 2112.01702) need both masks: ground glass and consolidation come from
tr_mask. The rest of the lung mask and all pleural effusion become "lungs other", everything else
becomes background. Slices are rotated upright.

Intensities are stored in 8 bits. A window is mapped linearly to 0 to 255; values outside the window
become 0 or 255. If the lowest value is -500 or less (Hounsfield units, as in the official file),
the default window is -1500 to 500. If all values lie between 0 and 255, the default window is 0 to
255, which changes nothing.
"""

import argparse
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', type=Path, help='folder with the three files')
    parser.add_argument(
        '--out', type=Path, default=Path('data/covid19'), help='output folder; default: %(default)s'
    )
    parser.add_argument(
        '--window',
        type=float,
        nargs=2,
        metavar=('LOW', 'HIGH'),
        help='intensities that become 0 and 255; default: see above',
    )
    parser.add_argument(
        '--folds', type=int, default=4, help='number of folds; default: %(default)s'
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='seed of the folds; default: %(default)s'
    )
    args = parser.parse_args(argv)
    if args.folds < 3:
        parser.error(f'argument --folds: {args.folds} is below 3')
    return args


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

import numpy as np

from mmseg_attn.apps.cli import progress, run_cli
from mmseg_attn.apps.convert import class_table, make_folds, split_table, write_splits
from mmseg_attn.datasets import COVID19CTDataset
from mmseg_attn.errors import DataError
from mmseg_attn.io import (
    Window,
    check_placement,
    ct_window,
    fingerprint,
    read_nifti,
    staged_output,
    to_bytes,
    write_png,
)

CLASSES = COVID19CTDataset.METAINFO['classes']
IMAGE, MASK, LUNGS = 'tr_im.nii.gz', 'tr_mask.nii.gz', 'tr_lungmasks_updated.nii.gz'
GROUND_GLASS, CONSOLIDATION, EFFUSION = 1, 2, 3  # in tr_mask


def read_labels(path: Path, known: int) -> np.ndarray:
    """Read a mask whose values are 0 to ``known``: (X, Y, slices), uint8.

    Raises:
        DataError: If the file is damaged or contains another value.
    """
    volume = read_nifti(path)
    values, counts = np.unique(volume, return_counts=True)
    unknown = ~np.isin(values, np.arange(known + 1))
    if unknown.any():
        listed = ', '.join(
            f'{value:g} ({count} px)'
            for value, count in zip(values[unknown][:5], counts[unknown][:5], strict=True)
        )
        raise DataError(
            f'{path} contains unknown label values: {listed}; the labels of the dataset are 0 to '
            f'{known}: use the original file'
        )
    return volume.astype(np.uint8)


def to_classes(mask: np.ndarray, lungs: np.ndarray) -> np.ndarray:
    """Compute class indices from the two masks of the dataset, all of one shape."""
    result = ((lungs > 0) | (mask == EFFUSION)).astype(np.uint8)  # background, lungs other
    result[mask == GROUND_GLASS] = CLASSES.index('ground glass')
    result[mask == CONSOLIDATION] = CLASSES.index('consolidation')
    return result


def choose_window(path: Path, image: np.ndarray) -> Window:
    """Choose the default window for the intensities of a file.

    Raises:
        DataError: If the values are neither Hounsfield units nor 8 bits.
    """
    window = ct_window(image)
    if window is None:
        raise DataError(
            f'{path} has values from {image.min():g} to {image.max():g}, which are neither '
            'Hounsfield units nor 8 bits: set --window LOW HIGH'
        )
    return window


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    files = [args.source / name for name in (IMAGE, MASK, LUNGS)]
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        raise DataError(
            f'{args.source} has no {", ".join(missing)}: get all three files of the dataset'
        )
    with staged_output(args.out, converter='covid19') as stage:
        image, mask, lungs = (
            read_nifti(files[0]),
            read_labels(files[1], 3),
            read_labels(files[2], 2),
        )
        for path, volume in zip(files[1:], (mask, lungs), strict=True):
            if volume.shape != image.shape:
                raise DataError(
                    f'{path} has the shape {volume.shape}, but {files[0]} has {image.shape}: '
                    'use the files of one release'
                )
            check_placement(files[0], path, image.shape)
        low, high = args.window or choose_window(files[0], image)
        if not low < high:
            raise DataError(f'the window {low:g} to {high:g} is empty: LOW must be below HIGH')
        depth = image.shape[2]
        digits = max(3, len(str(depth - 1)))
        stems = [f'{k:0{digits}d}' for k in range(depth)]
        groups = {stem: [stem] for stem in stems}
        folds = make_folds(groups, folds=args.folds, seed=args.seed, unit='slice')

        images, masks = stage.folder / 'images', stage.folder / 'annotations'
        images.mkdir()
        masks.mkdir()
        pixels = np.zeros(len(CLASSES), dtype=np.int64)
        empty, below, above = [], 0, 0
        for k, stem in enumerate(progress(stems, 'converting slice')):
            gray = image[:, :, k].T
            label = to_classes(mask[:, :, k], lungs[:, :, k]).T
            pixels += np.bincount(label.ravel(), minlength=len(CLASSES))
            below += int((gray < low).sum())
            above += int((gray > high).sum())
            if gray.min() == gray.max():
                empty.append(stem)
            write_png(images / f'{stem}.png', to_bytes(gray, (low, high)))
            write_png(masks / f'{stem}.png', np.ascontiguousarray(label))
        write_splits(stage.folder / 'splits', folds)
        intensities = dict(
            window=[low, high],
            range=[float(image.min()), float(image.max())],
            below_window=below,
            above_window=above,
        )
        stage.manifest.update(
            settings=dict(window=args.window, folds=args.folds, seed=args.seed),
            source=fingerprint(files),
            slices=depth,
            without_content=empty,
            intensities=intensities,
            pixels=dict(zip(CLASSES, pixels.tolist(), strict=True)),
        )
    state = ' (already up to date)' if stage.unchanged else ''
    print(f'{args.out}: {depth} slices of {image.shape[0]}x{image.shape[1]}{state}')
    print(
        f'intensities {image.min():g} to {image.max():g}: window {low:g} to {high:g} in 8 bits, '
        f'{(high - low) / 255:.3g} per gray level, {100 * below / image.size:.2f} percent below, '
        f'{100 * above / image.size:.2f} above'
    )
    if empty:
        print(f'blank slices, which are kept: {", ".join(empty)}')
    print(f'\n{split_table(folds)}\n\n{class_table(CLASSES, pixels.tolist())}')


if __name__ == '__main__':
    run_cli(main)

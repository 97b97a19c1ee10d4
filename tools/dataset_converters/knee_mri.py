"""Convert pairs of knee MR images and masks of the patellar ligament to a dataset.

The tool needs at least ten cases and supports two classes, background and patellar ligament. For
other classes, create the folders and split files as docs/datasets.md shows.

The tool finds pairs in SOURCE in one of two layouts:

    images/ with masks/, annotations/ or labels/   files of the same name, of any type; the name of
                                                   a mask may end in _mask
    one folder                                     <name>.<type> and <name>_mask.<type>

A case is one file (PNG, JPEG, TIFF: one slice; NIfTI: a slice or a volume), all DICOM files of one
series, or a subfolder of the same name in both folders. Volumes are cut along their third axis.
Cases are split 8:1:1 because the slices of a case look alike; to split slices instead, use
--split-unit slice. NIfTI and DICOM masks must have the orientation, spacing and origin of their
images.

Masks contain 0 and 1, or 0 and 255. 8-bit images are not changed. Other images are scaled linearly
to 8 bits, case by case: values beyond the percentiles of --percentiles become 0 or 255.
"""

import argparse
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', type=Path, help='folder of the images and masks')
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('data/knee_mri'),
        help='output folder; default: %(default)s',
    )
    parser.add_argument(
        '--percentiles',
        type=float,
        nargs=2,
        default=(0.5, 99.5),
        metavar=('LOW', 'HIGH'),
        help='percentiles of a case that become 0 and 255, if it has more than 8 bits; '
        '0 100 is the full range; default: 0.5 99.5',
    )
    parser.add_argument(
        '--split-unit',
        choices=('case', 'slice'),
        default='case',
        help='unit that is assigned to a split; default: %(default)s',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='seed of the split; default: %(default)s'
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

import numpy as np

from mmseg_attn.apps.cli import progress, run_cli
from mmseg_attn.apps.convert import (
    Pair,
    class_table,
    find_cases,
    make_folds,
    split_table,
    write_splits,
)
from mmseg_attn.datasets import KneeMRIDataset
from mmseg_attn.errors import DataError
from mmseg_attn.io import (
    check_placement,
    counted,
    dicom_series,
    fingerprint,
    is_dicom,
    is_nifti,
    percentile_window,
    read_slices,
    slice_spacing,
    staged_output,
    to_bytes,
    write_png,
)

CLASSES = KneeMRIDataset.METAINFO['classes']
PARTS = 10  # one part for validation, one for testing
Spacing = tuple[float, float] | None  # millimeters between rows and between columns


def merge_series(cases: dict[str, list[Pair]]) -> dict[str, list[Pair]]:
    """Merge the DICOM files of one series into one case."""
    merged: dict[str, list[Pair]] = {}
    for case, pairs in cases.items():
        series = is_dicom(pairs[0].image) and dicom_series(pairs[0].image)
        merged.setdefault(f'series {series}' if series else case, []).extend(pairs)
    return merged


def read_pair(pair: Pair) -> tuple[np.ndarray, np.ndarray, bool]:
    """Read and check an image and its mask.

    Returns:
        Gray values and class indices, both (slices, H, W), and whether the mask was 0 and 255.

    Raises:
        DataError: If a file is damaged, sizes, orientations or positions differ, or the mask
            contains other values.
    """
    image, mask = read_slices(pair.image), read_slices(pair.mask, mask=True)
    if mask.shape != image.shape:
        raise DataError(
            f'{pair.mask} is {describe(mask)}, but its image {pair.image} is {describe(image)}: '
            'use the mask that was drawn on this image'
        )
    depth, height, width = image.shape
    volume = (width, height, depth) if is_nifti(pair.image) else (width, height)
    check_placement(pair.image, pair.mask, volume)
    values = np.unique(mask)
    if not (np.isin(values, (0, 1)).all() or np.isin(values, (0, 255)).all()):
        listed = ', '.join(f'{value:g}' for value in values[:6].astype(float))
        raise DataError(
            f'{pair.mask} contains the values {listed}{", ..." if len(values) > 6 else ""}: '
            'save it with the values 0 and 1, or 0 and 255'
        )
    return image, (mask > 0).astype(np.uint8), values.max() == 255


def describe(slices: np.ndarray) -> str:
    """Describe the size of slices (slices, H, W)."""
    depth, height, width = slices.shape
    return f'{width}x{height}' + (f' with {depth} slices' if depth > 1 else '')


def scale(images: list[np.ndarray], percentiles: tuple[float, float]) -> list[np.ndarray]:
    """Scale the values between two percentiles of all images linearly to 0 to 255."""
    values = np.concatenate([image.ravel() for image in images])
    window = percentile_window(values, percentiles=percentiles)
    return [to_bytes(image, window) for image in images]


def read_case(
    pairs: list[Pair], percentiles: tuple[float, float]
) -> tuple[list[tuple[str, np.ndarray, np.ndarray, Spacing]], set[str]]:
    """Read and check all files of a case.

    Returns:
        The name, gray values and class indices of every slice, both (H, W) and uint8, its
        spacing, and the conversions of the case: 'scaled', 'mapped'.

    Raises:
        DataError: If a file is damaged or does not fit, or the slices differ in size.
    """
    read = [read_pair(pair) for pair in pairs]
    images = [image for image, _, _ in read]
    for pair, image in zip(pairs, images, strict=True):
        if image.shape[1:] != images[0].shape[1:]:
            raise DataError(
                f'{pair.image} is {describe(image)}, but {pairs[0].image} of the same series is '
                f'{describe(images[0])}: separate them'
            )
    done = {'mapped'} if any(mapped for _, _, mapped in read) else set()
    if any(image.dtype != np.uint8 for image in images):
        images = scale(images, percentiles)
        done.add('scaled')
    slices = []
    for pair, image, (_, mask, _) in zip(pairs, images, read, strict=True):
        numbered = [f'{pair.name}_{k:03d}' for k in range(len(image))]
        names = numbered if len(image) > 1 else [pair.name]
        spacings = [slice_spacing(pair.image)] * len(image)
        slices += zip(names, image, mask, spacings, strict=True)
    return slices, done


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    low, high = args.percentiles
    if not 0 <= low < high <= 100:
        raise DataError(f'--percentiles is {low:g} {high:g}: choose 0 <= LOW < HIGH <= 100')
    cases = merge_series(find_cases(args.source))
    with staged_output(args.out, converter='knee_mri') as stage:
        images, masks = stage.folder / 'images', stage.folder / 'annotations'
        images.mkdir()
        masks.mkdir()
        pixels = np.zeros(len(CLASSES), dtype=np.int64)
        groups: dict[str, list[str]] = {}
        spacing: dict[str, Spacing] = {}
        scaled, mapped, empty, unlabeled = [], [], [], []
        for case, pairs in progress(list(cases.items()), 'converting case'):
            slices, done = read_case(pairs, args.percentiles)
            scaled += [case] if 'scaled' in done else []
            mapped += [case] if 'mapped' in done else []
            for name, image, mask, of_slice in slices:
                if (images / f'{name}.png').exists():
                    raise DataError(f'two slices have the name {name}: rename {case}')
                groups.setdefault(case if args.split_unit == 'case' else name, []).append(name)
                spacing |= {name: of_slice} if of_slice else {}
                pixels += np.bincount(mask.ravel(), minlength=len(CLASSES))
                if image.min() == image.max():
                    empty.append(name)
                if not mask.any():
                    unlabeled.append(name)
                write_png(images / f'{name}.png', np.ascontiguousarray(image))
                write_png(masks / f'{name}.png', np.ascontiguousarray(mask))
        if len(groups) < PARTS:
            raise DataError(
                f'{args.source} contains {counted(len(groups), args.split_unit)}, but a split of '
                f'8:1:1 needs {PARTS}: see --help for the layout and for --split-unit'
            )
        if not pixels[1:].any():
            raise DataError(f'no mask in {args.source} contains {CLASSES[1]}: check the masks')
        split = {
            'fold0': make_folds(groups, folds=PARTS, seed=args.seed, unit=args.split_unit)['fold0']
        }
        write_splits(stage.folder / 'splits', split)
        count = sum(map(len, groups.values()))
        files = [file for pairs in cases.values() for pair in pairs for file in pair[1:]]
        stage.manifest.update(
            settings=dict(percentiles=[low, high], split_unit=args.split_unit, seed=args.seed),
            source=fingerprint(files),
            cases=len(cases),
            slices=count,
            scaled=scaled,
            mapped=mapped,
            without_content=empty,
            without_labels=unlabeled,
            spacing=spacing,
            pixels=dict(zip(CLASSES, pixels.tolist(), strict=True)),
        )
    state = ' (already up to date)' if stage.unchanged else ''

    def have(cases: list) -> str:
        return 'has' if len(cases) == 1 else 'have'

    print(f'{args.out}: {counted(len(cases), "case")}, {counted(count, "slice")}{state}')
    if scaled:
        print(
            f'{counted(len(scaled), "case")} {have(scaled)} more than 8 bits: their percentiles '
            f'{low:g} to {high:g} were scaled linearly to 0 to 255'
        )
    if mapped:
        print(f'{counted(len(mapped), "case")} {have(mapped)} masks of 0 and 255: 255 became 1')
    if empty:
        print(f'blank slices, which are kept: {", ".join(empty)}')
    if unlabeled:
        print(f'slices without {CLASSES[1]}, which are kept: {", ".join(unlabeled)}')
    print(f'\n{split_table(split)}\n\n{class_table(CLASSES, pixels.tolist())}')


if __name__ == '__main__':
    run_cli(main)

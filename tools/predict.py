"""Label a user's own files with a trained model.

    python tools/predict.py CONFIG CHECKPOINT INPUT... --out DIR

INPUT is a PNG, JPEG, TIFF (8 or 16 bit, several pages), DICOM or NIfTI file, or a folder of them.
DIR gets masks/ (class numbers; NIfTI for NIfTI), overlays/ to look at, and pixels.csv: pixels of
every class, and their area where the file knows the size of a pixel. It is written when all is
done and replaces the untouched result of an earlier run on the same files. A file that cannot be
read is named and skipped; the exit code is then 1.

Models are trained on 8 bits. Files of more are converted as in training where the dataset of the
config says how (CT: Hounsfield units -1500 to 500 become 0 to 255); else say it with --intensity.
"""

import argparse
import json
import math
import os
import re
import sys
from collections.abc import Mapping as Settings
from pathlib import Path

if not {'GOMP_SPINCOUNT', 'OMP_WAIT_POLICY'} & os.environ.keys():
    os.environ['GOMP_SPINCOUNT'] = '1000'  # before PyTorch: docs/performance.md, "A busy machine"

SMALLEST_WINDOW = 32


def window(text: str) -> tuple[int, int]:
    """Height and width from '512' or '512x1024'."""
    if not re.fullmatch(r'\d+(x\d+)?', text):
        raise argparse.ArgumentTypeError(f'{text} is no size such as 512 or 512x1024')
    sides = [int(side) for side in text.split('x')]
    if min(sides) < SMALLEST_WINDOW:
        raise argparse.ArgumentTypeError(f'{text} is below {SMALLEST_WINDOW}')
    return sides[0], sides[-1]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path, help='a config')
    parser.add_argument('checkpoint', type=Path, help='a checkpoint')
    parser.add_argument(
        'inputs', type=Path, nargs='+', metavar='input', help='a file, or a folder of files'
    )
    parser.add_argument('--out', type=Path, required=True, help='the folder of the results')
    parser.add_argument(
        '--window',
        type=window,
        metavar='SIZE',
        help='slide windows of this size (512, or 512x1024 for height x width) over what the '
        "config's pipeline makes of a picture; default: as in the config",
    )
    parser.add_argument('--batch-size', type=int, default=1, help='default: %(default)s')
    parser.add_argument('--device', help='default: the GPU, if there is one')
    parser.add_argument('--amp', action='store_true', help='compute in mixed precision')
    parser.add_argument('--tta', action='store_true', help='average over flips, as in the config')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change settings of the config',
    )
    gray = parser.add_mutually_exclusive_group()
    gray.add_argument(
        '--intensity',
        type=float,
        nargs=2,
        metavar=('LOW', 'HIGH'),
        help='in files of more than 8 bits, the values that become 0 and 255',
    )
    gray.add_argument(
        '--percentiles',
        type=float,
        nargs=2,
        metavar=('LOW', 'HIGH'),
        help='the same, as percentiles of each file or DICOM series',
    )
    args = parser.parse_args(argv)
    if args.batch_size < 1:
        parser.error(f'argument --batch-size: {args.batch_size} is below 1')
    return args


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

from mmseg_attn.apps.cli import check_file, load_config, run_cli, usable_device
from mmseg_attn.apps.predict import (
    Intensities,
    Predictor,
    Report,
    Results,
    counted,
    doubts,
    find_items,
    predict_files,
    summarize,
)
from mmseg_attn.errors import DataError
from mmseg_attn.io import percentile_window, staged_output
from mmseg_attn.io.output import MANIFEST


def check(args: argparse.Namespace) -> None:
    """Stop before the model is loaded where it would be for nothing."""
    check_file(args.checkpoint, 'a checkpoint')
    missing = [path for path in args.inputs if not path.exists()]
    if missing:
        more = f' and {len(missing) - 1} more are' if missing[1:] else ' is'
        raise DataError(f'{missing[0]}{more} missing: name images or folders that hold some')
    for name in ('intensity', 'percentiles'):
        low, high = getattr(args, name) or (0, 1)
        outside = name == 'percentiles' and not 0 <= low <= high <= 100
        if outside or not low < high or not math.isfinite(high - low):
            limits = ', both from 0 to 100' if name == 'percentiles' else ''
            raise DataError(f'--{name} is {low:g} {high:g}: give LOW below HIGH{limits}')


def make_intensities(args: argparse.Namespace, predictor: Predictor, files: list) -> Intensities:
    """What is done to more than 8 bits: as the user says, or else as in training."""
    choose = getattr(predictor.dataset, 'intensity_window', None)
    if args.percentiles:

        def choose(values):
            return percentile_window(values, percentiles=tuple(args.percentiles))

    return Intensities(
        files,
        window=tuple(args.intensity) if args.intensity else None,
        choose=choose,
        keep=predictor.color_type == 'unchanged',
    )


def check_earlier(out: Path, files: list[Path]) -> None:
    """Refuse to replace the results of files that are not predicted again."""
    try:
        earlier = json.loads((out / MANIFEST).read_text())
        old = {*earlier['inputs'], *earlier['skipped']}
    except (OSError, ValueError, KeyError, TypeError):
        return  # no earlier result, or no such: staged_output decides
    lost = sorted(old - {str(path) for path in files})
    if lost:
        raise DataError(
            f'{out} holds results of {counted(len(lost), "other file")} ({lost[0]}), which would '
            'be lost: choose another output folder, or remove this one'
        )


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    cfg = load_config(args.config, args.cfg_options)
    check(args)
    device = usable_device(args.device)
    items, empty = find_items(args.inputs, exclude=args.out)
    for folder in empty:
        print(f'{folder} holds no images', file=sys.stderr)
    if not items:
        raise DataError('there is nothing to do: name images or folders that hold some')
    files = [item.path for item in items]
    check_earlier(args.out, files)
    option = '--intensity' if args.intensity else '--percentiles' if args.percentiles else None
    with staged_output(args.out, converter='predict') as stage:
        predictor = Predictor(
            cfg,
            args.checkpoint,
            device=device,
            window=args.window,
            tta=args.tta,
            amp=args.amp,
        )
        results = Results(stage.folder, classes=predictor.classes, palette=predictor.palette)
        report = predict_files(
            predictor,
            items,
            results,
            intensities=make_intensities(args, predictor, files),
            batch_size=args.batch_size,
        )
        if not report.done:
            raise DataError('none of the files could be predicted: see above')
        warnings = doubts(report, results, predictor, option=option)
        stage.manifest.update(manifest(args, report), warnings=warnings)
    print(summarize(args.out, report, results, option=option), flush=True)
    for warning in warnings:
        print(f'warning: {warning}', file=sys.stderr)
    if report.failed:
        skipped = f'{len(report.failed)} of {counted(len(items), "file")} skipped'
        print(f'{skipped}: the reasons are above, and in {args.out}/conversion.json')
    sys.exit(bool(report.failed or empty))


def manifest(args: argparse.Namespace, report: Report) -> Settings:
    """What the folder records about itself."""
    settings = ('window', 'tta', 'amp', 'intensity', 'percentiles', 'cfg_options')
    return dict(
        config=str(args.config),
        checkpoint=str(args.checkpoint),
        settings={name: getattr(args, name) for name in settings},
        skipped={str(path): reason for path, reason in report.failed.items()},
        inputs={
            str(path): dict(name=name, window=mapping and mapping.window)
            for path, (name, mapping) in report.done.items()
        },
    )


if __name__ == '__main__':
    run_cli(main)

"""Predict label maps for image files with a trained model.

    python tools/predict.py CONFIG CHECKPOINT INPUT... --out DIR

INPUT is a PNG, JPEG, TIFF (8 or 16 bit, pages or a stack with axes), DICOM or NIfTI file, an
OME-Zarr folder, or a folder of these. The tool writes masks/ (class indices; NIfTI for NIfTI input,
and OME-Zarr for OME-Zarr), overlays/ (drawings of the predictions) and pixels.csv (pixels per
class; areas and volumes if the file has a pixel size) to DIR. It writes DIR after the last file. It
replaces an existing DIR only if DIR is the unchanged result of an earlier run on the same files. A
file that cannot be read is reported and skipped; the exit code is then 1.

If the pipeline of the config begins with LoadRaster, or with --raster, INPUT is a GeoTIFF, COG,
JPEG 2000 or VRT file of any size. It is read window by window, and the mask keeps its coordinates.

With several checkpoints, it predicts with the mean of their probabilities. --save writes maps of
probabilities and uncertainty, and their means to uncertainty.csv. If calibrate.py wrote a
temperature beside a checkpoint, the probabilities are calibrated with it. --objects measures the
objects of a class: objects.csv, objects_per_file.csv and numbered regions in objects/. The masks
stay as they are.

Models are trained on 8-bit images. Files with more than 8 bits are converted as in training if the
dataset of the config defines the conversion (CT: -1500 to 500 Hounsfield units become 0 to 255).
Otherwise, set the range with --intensity or --percentiles.
"""

import argparse
import json
import math
import os
import re
import sys
from pathlib import Path

if not {'GOMP_SPINCOUNT', 'OMP_WAIT_POLICY'} & os.environ.keys():
    os.environ['GOMP_SPINCOUNT'] = '1000'  # before PyTorch: docs/performance.md, "A busy machine"

SMALLEST_WINDOW = 32
MAPS = 'probabilities', 'entropy', 'disagreement'
WORKERS = 16  # beyond, threads wait for Python's lock


def window(text: str) -> tuple[int, int]:
    """Parse height and width from '512' or '512x1024'."""
    if not re.fullmatch(r'\d+(x\d+)?', text):
        raise argparse.ArgumentTypeError(f'{text} is not a size such as 512 or 512x1024')
    sides = [int(side) for side in text.split('x')]
    if min(sides) < SMALLEST_WINDOW:
        raise argparse.ArgumentTypeError(f'{text} is below {SMALLEST_WINDOW}')
    return sides[0], sides[-1]


def threshold(text: str) -> tuple[str, float]:
    """Parse class and probability from 'synapse=0.3'."""
    name, _, value = text.rpartition('=')
    try:
        return name, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text} is not CLASS=PROBABILITY') from None


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path, help='config file, or folder of tools/publish.py')
    parser.add_argument(
        'checkpoint', type=Path, help='checkpoint file; left out after a folder of publish.py'
    )
    parser.add_argument(
        'inputs', type=Path, nargs='*', metavar='input', help='image file, or folder of image files'
    )
    parser.add_argument('--out', type=Path, required=True, help='output folder')
    parser.add_argument(
        '--window',
        type=window,
        metavar='SIZE',
        help='slide windows of this size (512, or 512x1024 for height x width) over the image '
        'after the test pipeline; default: as in the config',
    )
    parser.add_argument(
        '--blend',
        choices=('gaussian', 'uniform'),
        default='gaussian',
        help='weights of the windows of --window where they overlap: gaussian, largest in the '
        'middle of a window, or uniform, as in MMSegmentation; default: %(default)s',
    )
    parser.add_argument(
        '--batch-size',
        type=int,
        default=1,
        help='images or slices per batch, or windows of an image; default: %(default)s',
    )
    parser.add_argument('--device', help='default: the GPU, if there is one')
    parser.add_argument('--amp', action='store_true', help='use mixed precision')
    parser.add_argument(
        '--runtime',
        choices=('torch', 'onnx'),
        default='torch',
        help='what computes the network: PyTorch, or ONNX Runtime, which is faster on a CPU; '
        'default: %(default)s',
    )
    parser.add_argument(
        '--tta', action='store_true', help='use the test-time augmentation of the config'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change settings of the config',
    )
    parser.add_argument(
        '--checkpoints',
        type=Path,
        nargs='+',
        default=[],
        metavar='FILE',
        help='more checkpoints of the config, such as those of other folds, for an ensemble',
    )
    parser.add_argument(
        '--member',
        type=Path,
        nargs=2,
        action='append',
        default=[],
        metavar=('CONFIG', 'CHECKPOINT'),
        help='model of another config for the ensemble, with the same classes; repeatable',
    )
    parser.add_argument(
        '--save',
        nargs='+',
        choices=MAPS,
        default=[],
        metavar='MAP',
        help='also write maps: probabilities, entropy and, of an ensemble, disagreement',
    )
    parser.add_argument(
        '--threshold',
        type=threshold,
        nargs='+',
        default=[],
        metavar='CLASS=P',
        help='predict CLASS where its probability exceeds P, and elsewhere the most probable of '
        'the other classes',
    )
    parser.add_argument(
        '--temperature',
        type=float,
        metavar='T',
        help='divide the logits of all models by T, 1 for none; default: for each checkpoint, the '
        'number that calibrate.py wrote beside it, if it did',
    )
    parser.add_argument(
        '--objects',
        nargs='+',
        default=[],
        metavar='CLASS',
        help='measure the connected regions of these classes; needs scikit-image',
    )
    parser.add_argument(
        '--min-size',
        type=int,
        default=1,
        metavar='PIXELS',
        help='leave out smaller objects; default: %(default)s',
    )
    parser.add_argument('--fill-holes', action='store_true', help='fill the holes of objects')
    parser.add_argument(
        '--keep-largest', action='store_true', help='keep only the largest object of each slice'
    )
    parser.add_argument(
        '--axes',
        metavar='LETTERS',
        help='axes of TIFF or OME-Zarr stacks whose files do not name them, such as ZCYX: T (time) '
        'and Z are slices, C channels, Y rows and X columns',
    )
    parser.add_argument(
        '--channels',
        type=int,
        nargs='+',
        default=[],
        metavar='N',
        help='channels of TIFF or OME-Zarr files, from 0 on and in the order of the model; '
        'default: all',
    )
    parser.add_argument(
        '--neighbors',
        type=int,
        metavar='N',
        help='for models that take the N slices below and above each slice as channels, if their '
        'config does not begin with LoadNeighbors, which says it',
    )
    parser.add_argument(
        '--raster',
        action='store_true',
        help='read the inputs as rasters, window by window, and keep their coordinates, although '
        'the config loads images; needs rasterio',
    )
    parser.add_argument(
        '--polygons',
        action='store_true',
        help='of rasters, also write the regions of the classes as GeoJSON',
    )
    gray = parser.add_mutually_exclusive_group()
    gray.add_argument(
        '--intensity',
        type=float,
        nargs=2,
        metavar=('LOW', 'HIGH'),
        help='values that become 0 and 255 in files with more than 8 bits',
    )
    gray.add_argument(
        '--percentiles',
        type=float,
        nargs=2,
        metavar=('LOW', 'HIGH'),
        help='the same values as percentiles of each file or DICOM series',
    )
    args = parser.parse_args(argv)
    if args.config.is_dir():
        args.inputs.insert(0, args.checkpoint)
    elif not args.inputs:
        parser.error('the following arguments are required: input')
    for name in ('batch_size', 'min_size', 'neighbors'):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            option = name.replace('_', '-')
            parser.error(f'argument --{option}: {getattr(args, name)} is below 1')
    if args.runtime == 'onnx' and (args.amp or args.device not in (None, 'cpu')):
        parser.error(
            '--runtime onnx runs on the CPU, in single precision: leave out --amp and --device'
        )
    if not args.objects and (args.min_size > 1 or args.fill_holes or args.keep_largest):
        parser.error('--min-size, --fill-holes and --keep-largest need --objects')
    return args


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

import torch
from mmengine.config import Config

from mmseg_attn.apps.cli import check_file, load_config, run_cli, usable_device
from mmseg_attn.apps.predict import (
    Intensities,
    MapResults,
    ObjectResults,
    ObjectRules,
    Predictions,
    Predictor,
    Results,
    StackRules,
    collect_warnings,
    counted,
    describe_temperatures,
    find_items,
    predict_files,
    summarize,
)
from mmseg_attn.apps.publish import find_published
from mmseg_attn.apps.rasters import RasterPredictor, loads_rasters, predict_rasters, use_rasters
from mmseg_attn.errors import DataError, UsageError
from mmseg_attn.io import percentile_window, staged_output
from mmseg_attn.io.output import MANIFEST
from mmseg_attn.io.raster import SUFFIXES, rasterio_library


def check(args: argparse.Namespace) -> None:
    """Check the arguments before the model is loaded."""
    for checkpoint in (args.checkpoint, *args.checkpoints, *(path for _, path in args.member)):
        check_file(checkpoint, 'a checkpoint')
    missing = [path for path in args.inputs if not path.exists()]
    if missing:
        more = f' and {len(missing) - 1} more are' if missing[1:] else ' is'
        raise DataError(f'{missing[0]}{more} missing: name existing files or folders')
    inside = [path for path in args.inputs if path.resolve().is_relative_to(args.out.resolve())]
    if inside:
        raise DataError(
            f'{inside[0]} is in the output folder {args.out}: choose another output folder'
        )
    for name in ('intensity', 'percentiles'):
        low, high = getattr(args, name) or (0, 1)
        outside = name == 'percentiles' and not 0 <= low <= high <= 100
        if outside or not low < high or not math.isfinite(high - low):
            limits = ', both from 0 to 100' if name == 'percentiles' else ''
            raise DataError(f'--{name} is {low:g} {high:g}: choose LOW below HIGH{limits}')


def check_rasters(args: argparse.Namespace) -> None:
    """Refuse options that rasters, of which only rows of windows are in memory, do not have."""
    options = (
        'objects',
        'intensity',
        'percentiles',
        'tta',
        'axes',
        'channels',
        'neighbors',
    )
    used = [f'--{name}' for name in options if getattr(args, name)]
    if used:
        raise UsageError(
            f'{used[0]} does not work with rasters, which are predicted window by window: leave it '
            'out'
        )
    if 'disagreement' in args.save:
        raise UsageError(
            '--save disagreement does not work with rasters, for which the probabilities of each '
            'model are not kept: save the entropy'
        )
    rasterio_library()


def find_members(args: argparse.Namespace) -> list[tuple[Config, Path]]:
    """Return the configs and checkpoints of the ensemble but the first, each checkpoint once."""
    members, seen = [], {args.checkpoint.resolve()}
    pairs = [(args.config, path) for path in args.checkpoints] + args.member
    for config, path in pairs:
        if path.resolve() not in seen:
            seen.add(path.resolve())
            members.append((load_config(config, args.cfg_options), path))
    return members


def make_intensities(args: argparse.Namespace, predictor: Predictor, files: list) -> Intensities:
    """Choose the conversion of more than 8 bits: by the arguments, or else as in training."""
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


def check_earlier(args: argparse.Namespace, files: list[Path]) -> None:
    """Refuse to replace results, of files or of options, that are not made again."""
    out = args.out
    try:
        earlier = json.loads((out / MANIFEST).read_text())
        earlier_files = {*earlier['inputs'], *earlier['skipped']}
        settings = dict(earlier['settings'])
    except (OSError, ValueError, KeyError, TypeError):
        return  # no earlier result of this tool: staged_output decides
    lost = sorted(earlier_files - {str(path) for path in files})
    if lost:
        raise DataError(
            f'{out} contains results of {counted(len(lost), "other file")} ({lost[0]}), which '
            'would be lost: choose another output folder, or remove this one'
        )
    for option in ('save', 'objects'):
        lost = [name for name in settings.get(option) or () if name not in getattr(args, option)]
        if lost:
            raise DataError(
                f'{out} contains results of --{option} {" ".join(lost)}, which would be lost: add '
                'this option, or choose another output folder'
            )


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if args.config.is_dir():
        args.config, args.checkpoint = find_published(args.config)
    cfg = load_config(args.config, args.cfg_options)
    check(args)
    device = usable_device('cpu' if args.runtime == 'onnx' else args.device)
    rasters = args.raster or loads_rasters(cfg)
    if rasters:
        check_rasters(args)
    elif args.polygons:
        raise UsageError('--polygons needs coordinates: add --raster, for files that have some')
    eight_bit = rasters and use_rasters(cfg)
    kinds = dict(suffixes=SUFFIXES) if rasters else {}
    items, empty = find_items(args.inputs, exclude=args.out, **kinds)
    for folder in empty:
        print(f'{folder} contains no images', file=sys.stderr)
    if not items:
        raise DataError('the inputs contain no images: name image files, or folders with images')
    files = [item.path for item in items]
    check_earlier(args, files)
    option = '--intensity' if args.intensity else '--percentiles' if args.percentiles else None
    with staged_output(args.out, converter='predict') as stage:
        predictor = Predictor(
            cfg,
            args.checkpoint,
            device=device,
            window=args.window,
            blend=args.blend,
            window_batch=args.batch_size,
            tta=args.tta,
            amp=args.amp,
            runtime=args.runtime,
            members=find_members(args),
            maps=args.save,
            thresholds=dict(args.threshold),
            temperature=args.temperature,
        )
        own = predictor.loader.neighbors
        if own and args.neighbors not in (None, own):
            raise UsageError(
                f'--neighbors is {args.neighbors}, but LoadNeighbors of the config has {own}: '
                'leave it out'
            )
        if args.temperature is None:
            for line in describe_temperatures(predictor.temperatures):
                print(line, flush=True)
        results = Results(stage.folder, classes=predictor.classes, palette=predictor.palette)
        maps = None
        if args.save:
            maps = MapResults(stage.folder, classes=predictor.classes, names=args.save)
        objects = None
        if args.objects:
            rules = ObjectRules(args.min_size, args.fill_holes, args.keep_largest)
            objects = ObjectResults(
                stage.folder, classes=predictor.classes, names=args.objects, rules=rules
            )
        if rasters:
            windowed = RasterPredictor(predictor, eight_bit=eight_bit)
            predictions = predict_rasters(
                windowed, items, results, polygons=args.polygons, maps=maps
            )
        else:
            predictions = predict_files(
                predictor,
                items,
                results,
                maps=maps,
                objects=objects,
                intensities=make_intensities(args, predictor, files),
                batch_size=args.batch_size,
                workers=min(torch.get_num_threads(), WORKERS) if device == 'cpu' else 1,
                rules=StackRules(args.axes, tuple(args.channels)),
                neighbors=args.neighbors,
            )
        if not predictions.done:
            raise DataError('no file could be predicted: see the reasons above')
        warnings = collect_warnings(predictions, results, predictor, option=option)
        stage.manifest.update(
            manifest(args, predictions), temperatures=predictor.temperatures, warnings=warnings
        )
    print(summarize(args.out, predictions, results, option=option), flush=True)
    for warning in warnings:
        print(f'warning: {warning}', file=sys.stderr)
    if predictions.failed:
        skipped = f'{len(predictions.failed)} of {counted(len(items), "file")} skipped'
        print(f'{skipped}: see the reasons above or in {args.out}/conversion.json')
    sys.exit(bool(predictions.failed or empty))


def manifest(args: argparse.Namespace, predictions: Predictions) -> dict:
    """Return the entries of the manifest in the output folder."""
    inputs = (
        'config',
        'checkpoint',
        'inputs',
        'out',
        'device',
        'batch_size',
        'checkpoints',
        'member',
    )
    return dict(
        config=str(args.config),
        checkpoint=str(args.checkpoint),
        ensemble=[str(path) for path in (*args.checkpoints, *(path for _, path in args.member))],
        settings={name: value for name, value in vars(args).items() if name not in inputs},
        skipped={str(path): reason for path, reason in predictions.failed.items()},
        inputs={
            str(path): dict(name=name, window=mapping and mapping.window)
            for path, (name, mapping) in predictions.done.items()
        },
    )


if __name__ == '__main__':
    run_cli(main)

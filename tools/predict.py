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

With --shard 3/16, a job predicts every 16th file, from the third on, into a folder in DIR.shards.
The job that finds all shards finished merges them into DIR. A finished shard is not computed again.
To merge shards that were copied together from several disks:

    python tools/predict.py --merge DIR
"""

import argparse
import math
import os
import re
import shlex
import sys
from pathlib import Path

if not {'GOMP_SPINCOUNT', 'OMP_WAIT_POLICY'} & os.environ.keys():
    os.environ['GOMP_SPINCOUNT'] = '1000'  # before PyTorch: docs/performance.md, "A busy machine"

SMALLEST_WINDOW = 32
MAPS = 'probabilities', 'entropy', 'disagreement'


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


def shard(text: str) -> tuple[int, int]:
    """Parse number and count from '3/16'."""
    if not re.fullmatch(r'\d+/\d+', text):
        raise argparse.ArgumentTypeError(f'{text} is not a shard such as 3/16')
    number, count = map(int, text.split('/'))
    if not 1 <= number <= count:
        raise argparse.ArgumentTypeError(
            f'{text} is no shard: the first of {count} is 1/{count}, and the last {count}/{count}'
        )
    return number, count


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    merging = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    merging.add_argument(
        '--merge',
        type=Path,
        metavar='DIR',
        help='merge the shards in DIR.shards into DIR; takes no other argument',
    )
    alone, others = merging.parse_known_args(argv)
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[merging],
    )
    if alone.merge and not {'-h', '--help'} & {*others}:
        if others:
            parser.error('--merge takes no other argument than the output folder')
        return merging.parse_args(argv)
    parser.add_argument('config', type=Path, help='config file, or folder of tools/publish.py')
    parser.add_argument(
        'checkpoint', type=Path, help='checkpoint file; left out after a folder of publish.py'
    )
    parser.add_argument(
        'inputs', type=Path, nargs='*', metavar='input', help='image file, or folder of image files'
    )
    parser.add_argument('--out', type=Path, required=True, help='output folder')
    parser.add_argument(
        '--shard',
        type=shard,
        metavar='K/N',
        help='predict only every Nth file, from the Kth on, into a folder in DIR.shards, and merge '
        'the shards into DIR if all are finished',
    )
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
        help='what computes the network: PyTorch, or ONNX Runtime, which is faster on some CPUs; '
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
        help='also write maps: probabilities, entropy, with drawings of the uncertain pixels, and, '
        'of an ensemble, disagreement',
    )
    parser.add_argument(
        '--save-classes',
        nargs='+',
        default=[],
        metavar='CLASS',
        help='classes whose probabilities are saved; default: all',
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
    if args.save_classes and 'probabilities' not in args.save:
        parser.error('--save-classes needs --save probabilities')
    if not args.objects and (args.min_size > 1 or args.fill_holes or args.keep_largest):
        parser.error('--min-size, --fill-holes and --keep-largest need --objects')
    return args


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

from mmengine.config import Config

from mmseg_attn.apps.cli import check_file, load_config, run_cli, usable_device
from mmseg_attn.apps.predict import (
    Intensities,
    Item,
    MapResults,
    ObjectResults,
    ObjectRules,
    Predictions,
    Predictor,
    Results,
    Shard,
    ShardJob,
    StackRules,
    collect_warnings,
    counted,
    describe_job,
    describe_temperatures,
    find_items,
    merge_shards,
    predict_files,
    shards_root,
    summarize,
)
from mmseg_attn.apps.publish import find_published
from mmseg_attn.apps.rasters import RasterPredictor, loads_rasters, predict_rasters, use_rasters
from mmseg_attn.errors import DataError, UsageError
from mmseg_attn.io import percentile_window, read_manifest, staged_output
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


def check_earlier(out: Path, args: argparse.Namespace, files: list[Path]) -> None:
    """Refuse to replace results, of files or of options, that are not made again."""
    earlier = read_manifest(out)
    try:
        earlier_files = {*earlier['inputs'], *earlier['skipped']}
        settings = dict(earlier['settings'])
    except (ValueError, KeyError, TypeError):
        return  # no earlier result of this tool: staged_output decides
    again = {path.resolve() for path in files}
    lost = sorted(path for path in earlier_files if Path(path).resolve() not in again)
    if lost:
        raise DataError(
            f'{out} contains results of {counted(len(lost), "other file")} ({lost[0]}), which '
            'would be lost: choose another output folder, or remove this one'
        )
    kept, asked = settings.get('save_classes') or (), args.save_classes
    saved = 'probabilities' in (settings.get('save') or ())
    if saved and asked and (not kept or {*kept} - {*asked}):
        raise DataError(
            f'{out} contains probabilities of {" ".join(kept) or "all classes"}, some of which '
            'would be lost: add the classes to --save-classes, or choose another output folder'
        )
    if settings.get('polygons') and not args.polygons:
        raise DataError(
            f'{out} contains polygons, which would be lost: add --polygons, or choose another '
            'output folder'
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
    if args.merge:
        sys.exit(merge(args.merge))
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
    eight_bit = use_rasters(cfg) if rasters else None
    kinds = dict(suffixes=SUFFIXES) if rasters else {}
    items, empty = find_items(args.inputs, exclude=args.out, **kinds)
    for folder in empty:
        print(f'{folder} contains no images', file=sys.stderr)
    if not items:
        raise DataError('the inputs contain no images: name image files, or folders with images')
    files = [item.path for item in items]
    check_earlier(args.out, args, files)
    members, out, job = find_members(args), args.out, None
    if args.shard:
        checkpoints = [args.checkpoint, *(path for _, path in members)]
        described = describe_job(
            items, [cfg, *(cfg for cfg, _ in members)], checkpoints, settings(args)
        )
        share = Shard(*args.shard)
        job = ShardJob(share, out, described, share.take(items), command_of(argv), len(empty))
        out, items = job.folder, job.items
        if finished := job.finished():
            sys.exit(finish(job, len(finished['skipped']), again=True))
        check_earlier(out, args, [item.path for item in items])
    option = '--intensity' if args.intensity else '--percentiles' if args.percentiles else None
    with staged_output(out, converter='predict') as stage:
        predictor, results, predictions = predict(
            args, cfg, members, items, stage.folder, files=files, device=device, eight_bit=eight_bit
        )
        if not predictions.done and not job:
            raise DataError('no file could be predicted: see the reasons above')
        warnings = collect_warnings(predictions, results, predictor, option=option)
        stage.manifest.update(
            manifest(args, predictions), temperatures=predictor.temperatures, warnings=warnings
        )
        if job:
            stage.manifest.update(shard=job.entry(predictions, results, predictor))
    print(summarize(out, predictions, results, option=option), flush=True)
    for warning in warnings:
        print(f'warning: {warning}', file=sys.stderr)
    if predictions.failed:
        skipped = f'{len(predictions.failed)} of {counted(len(items), "file")} skipped'
        print(f'{skipped}: see the reasons above or in {out}/conversion.json')
    sys.exit(finish(job, len(predictions.failed)) if job else bool(predictions.failed or empty))


def predict(
    args: argparse.Namespace,
    cfg: Config,
    members: list[tuple[Config, Path]],
    items: list[Item],
    folder: Path,
    *,
    files: list[Path],
    device: str,
    eight_bit: bool | None,
) -> tuple[Predictor, Results, Predictions]:
    """Load the model, predict files and write their results.

    Args:
        args: The arguments.
        cfg: The config.
        members: The other models of an ensemble.
        items: The files.
        folder: The output folder.
        files: All files of the run, of which those of a shard are a part.
        device: The device.
        eight_bit: Of rasters, whether the model takes values of 8 bits; ``None`` for images.
    """
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
        members=members,
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
    slices = 2 * (args.neighbors or 0) + 1
    if predictor.channels and predictor.channels % slices:
        raise UsageError(
            f'--neighbors {args.neighbors} makes a channel of each of {slices} slices, but the '
            f'model takes {predictor.channels}: leave it out, or train a model with LoadNeighbors'
        )
    if args.temperature is None:
        for line in describe_temperatures(predictor.temperatures):
            print(line, flush=True)
    results = Results(folder, classes=predictor.classes, palette=predictor.palette)
    maps = None
    if args.save:
        maps = MapResults(
            folder, classes=predictor.classes, names=args.save, only=args.save_classes
        )
    objects = None
    if args.objects:
        rules = ObjectRules(args.min_size, args.fill_holes, args.keep_largest)
        objects = ObjectResults(folder, classes=predictor.classes, names=args.objects, rules=rules)
    if eight_bit is not None:
        windowed = RasterPredictor(predictor, eight_bit=eight_bit)
        predictions = predict_rasters(windowed, items, results, polygons=args.polygons, maps=maps)
    else:
        predictions = predict_files(
            predictor,
            items,
            results,
            maps=maps,
            objects=objects,
            intensities=make_intensities(args, predictor, files),
            batch_size=args.batch_size,
            workers=predictor.workers,
            rules=StackRules(args.axes, tuple(args.channels)),
            neighbors=args.neighbors,
            files=files,
        )
    return predictor, results, predictions


def finish(job: ShardJob, skipped: int, *, again: bool = False) -> int:
    """Merge the shards if all are finished, and return the exit code of a shard.

    Args:
        job: The shard, which is finished.
        skipped: Number of its files that were skipped.
        again: Whether an earlier job has finished it.
    """
    if again:
        print(f'{job.folder} is finished, and was not computed again')
    if again and skipped:
        print(
            f'{counted(skipped, "file")} skipped: see the reasons in {job.folder}/conversion.json; '
            'to try again, remove this folder'
        )
    done, count = job.count_finished(), job.shard.count
    if done == count:
        return merge(job.out, count)
    print(f'{done} of {count} shards are finished; {job.out} is written when all are')
    return int(bool(skipped or job.empty))


def merge(out: Path, count: int | None = None) -> int:
    """Merge the shards of a run, and return the exit code of the run."""
    merged = merge_shards(out, count)
    print(merged.summary, flush=True)
    for warning in merged.warnings:
        print(f'warning: {warning}', file=sys.stderr)
    if merged.skipped:
        skipped = f'{merged.skipped} of {counted(merged.files, "file")} skipped'
        print(f'{skipped}: see the reasons in {out}/conversion.json')
    print(f'{shards_root(out)} is merged, and can be removed')
    return int(bool(merged.skipped or merged.empty))


def command_of(argv: list[str] | None) -> str:
    """Return the command of this process without ``--shard``, for messages to the user."""
    program = sys.argv[0] if argv is None else 'tools/predict.py'
    words = list(sys.argv[1:] if argv is None else argv)
    for word in words:
        option, sign, _ = word.partition('=')
        if len(option) > 3 and '--shard'.startswith(option):
            start = words.index(word)
            del words[start : start + (1 if sign else 2)]
            break
    return shlex.join(['python', program, *words])


def settings(args: argparse.Namespace) -> dict:
    """Return the options that change the results."""
    inputs = (
        'config',
        'checkpoint',
        'inputs',
        'out',
        'device',
        'batch_size',
        'checkpoints',
        'member',
        'shard',
        'merge',
    )
    return {name: value for name, value in vars(args).items() if name not in inputs}


def manifest(args: argparse.Namespace, predictions: Predictions) -> dict:
    """Return the entries of the manifest in the output folder."""
    return dict(
        config=str(args.config),
        checkpoint=str(args.checkpoint),
        ensemble=[str(path) for path in (*args.checkpoints, *(path for _, path in args.member))],
        settings=settings(args),
        skipped={str(path): reason for path, reason in predictions.failed.items()},
        inputs={
            str(path): dict(name=name, window=mapping and mapping.window)
            for path, (name, mapping) in predictions.done.items()
        },
    )


if __name__ == '__main__':
    run_cli(main)

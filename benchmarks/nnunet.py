"""Compare nnU-Net v2 with recorded runs of ours: same crops, same minutes of training, same metric.

    python -m benchmarks.nnunet --env NNUNET/bin/python --records FILE ... [--fold 0] [--plot FILE]

nnU-Net runs in its own environment, whose Python --env names:

    python -m venv NNUNET && NNUNET/bin/pip install nnunetv2

The script writes the crops of a fold in nnU-Net's layout, with our lists for training, validation
and test. nnU-Net plans and preprocesses them; then its plans are made as small as our networks:
patches of 128x128, batches of 4, stages of 16 to 256 channels. It trains as long as the longest
record, or --minutes, and predicts the test crops. Everything else is nnU-Net's default: its
augmentation, loss, optimizer, deep supervision, sliding window and test-time flips.

Records are files that tools/reproduce.py writes. The scores follow from the areas of all test
crops, summed per class, as for the records.
"""

import argparse
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks.report import Report, at_least, parser
from mmseg_attn.apps.cli import run_cli
from mmseg_attn.apps.runs import Record, case_rule, compare, read_record
from mmseg_attn.apps.runs.statistics import scores
from mmseg_attn.datasets import DrosophilaDataset
from mmseg_attn.errors import DataError
from mmseg_attn.evaluation.metrics import PerClassIoUMetric
from mmseg_attn.io import read_gray8, write_file, write_png

CLASSES = DrosophilaDataset.METAINFO['classes']
NAME = 'Dataset001_Drosophila'
SPLITS = 'train', 'val', 'test'
SLICE = r'^\d+'  # of the name of a crop, whose slice is a case of the comparison
WORKER = Path(__file__).with_name('nnunet_worker.py')

Areas = dict[str, list[list[int]]]


def read_lists(data: Path, fold: int) -> dict[str, list[str]]:
    """Return the names of the crops of a fold by split.

    Raises:
        DataError: If the folder has no such fold.
    """
    files = {split: data / f'splits/fold{fold}/{split}.txt' for split in SPLITS}
    if missing := [file for file in files.values() if not file.is_file()]:
        raise DataError(
            f'{missing[0]} is missing: name the converted Drosophila dataset with --data and one '
            'of its folds with --fold (tools/dataset_converters/drosophila.py makes it)'
        )
    return {split: file.read_text().split() for split, file in files.items()}


def convert(data: Path, lists: Mapping[str, list[str]], raw: Path) -> None:
    """Write the crops as 2D cases in nnU-Net's layout.

    nnU-Net expects a background with label 0, which its Dice loss and its sampling leave out. Our
    classes have no background, so their labels are moved up by 1, and no pixel has label 0.

    Args:
        data: The converted dataset.
        lists: The names of the crops by split.
        raw: The folder ``Dataset001_Drosophila`` to write.

    Raises:
        DataError: If a label is not a class.
    """
    for folder in ('imagesTr', 'labelsTr', 'imagesTs'):
        (raw / folder).mkdir(parents=True, exist_ok=True)
    for split, names in lists.items():
        for name in names:
            images = raw / ('imagesTs' if split == 'test' else 'imagesTr')
            write_png(images / f'{name}_0000.png', read_gray8(data / f'images/{name}.png'))
            if split != 'test':
                file = data / f'annotations/{name}.png'
                labels = read_gray8(file)
                if labels.max() >= len(CLASSES):
                    raise DataError(
                        f'{file} contains the value {labels.max()}, but there are {len(CLASSES)} '
                        'classes: the comparison needs a label for each pixel'
                    )
                write_png(raw / f'labelsTr/{name}.png', labels + np.uint8(1))
    labels = {name: i for i, name in enumerate(('background', *CLASSES))}
    description = dict(
        channel_names={'0': 'electron microscopy'},
        labels=labels,
        numTraining=len(lists['train']) + len(lists['val']),
        file_ending='.png',
    )
    write_file(raw / 'dataset.json', json.dumps(description, indent=2))
    split = [{name: lists[name] for name in ('train', 'val')}]
    write_file(raw / 'splits_final.json', json.dumps(split))


def areas_of(predictions: Path, data: Path, names: list[str]) -> Areas:
    """Return the areas of intersection, prediction and label of each class in each test crop.

    Args:
        predictions: The folder of nnU-Net's predictions.
        data: The converted dataset.
        names: The names of the test crops.
    """
    areas, classes = {}, len(CLASSES)
    for name in names:
        predicted = read_gray8(predictions / f'{name}.png').astype(np.int64) - 1
        predicted[predicted < 0] = classes  # background, which counts for no class
        label = read_gray8(data / f'annotations/{name}.png')
        intersection, _, *others = PerClassIoUMetric.intersect_and_union(
            torch.from_numpy(predicted), torch.from_numpy(label), classes, 255
        )
        areas[f'{name}.png'] = [area.tolist() for area in (intersection, *others)]
    return areas


def run_nnunet(args: argparse.Namespace, work_dir: Path) -> dict:
    """Let nnU-Net plan, train and predict in its environment, and return what it reports.

    Raises:
        DataError: If it fails.
    """
    threads = str(args.threads or torch.get_num_threads())
    variables = dict(
        nnUNet_raw=str(work_dir / 'raw'),
        nnUNet_preprocessed=str(work_dir / 'preprocessed'),
        nnUNet_results=str(work_dir / 'results'),
        nnUNet_n_proc_DA=str(args.workers),
        nnUNet_def_n_proc=threads,
        OMP_NUM_THREADS=threads,
    )
    command = [args.env, WORKER, work_dir, '--name', NAME, '--minutes', args.minutes]
    environment = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'} | variables
    try:
        code = subprocess.run([*map(str, command), '--seed', '0'], env=environment).returncode
    except OSError as error:
        raise DataError(f'--env {args.env} cannot be started ({error.strerror})') from error
    if code:
        raise DataError(
            f'nnU-Net failed with exit code {code}; see its output above. Does the environment of '
            f'{args.env} have nnunetv2?'
        )
    return json.loads((work_dir / 'report.json').read_text())


def row(name: str, minutes: float, parameters: int | None, areas: Areas, **more: object) -> dict:
    """Return a line of the table."""
    of_classes = scores(np.array([*areas.values()]).sum(axis=0), CLASSES)
    return {
        'name': name,
        'minutes of training': round(minutes, 1),
        **more,
        'parameters (M)': parameters and parameters / 1e6,
        'mIoU': of_classes['mIoU'],
        **{name: of_classes.get(f'IoU.{name}') for name in CLASSES},
    }


def plot(rows: Sequence[Mapping], title: str, file: Path) -> None:
    """Plot the scores of the rows, with a panel for the mean and one per class."""
    columns = ['mIoU', *CLASSES]
    figure = Figure(figsize=(2 + 2.2 * len(columns), 1.4 + 0.35 * len(rows)), layout='constrained')
    panels = figure.subplots(1, len(columns), sharey=True)
    for column, panel in zip(columns, panels, strict=True):
        panel.plot([row[column] for row in rows], range(len(rows)), 'D', color='C0', ms=5)
        panel.set_title(column, fontsize='medium')
        panel.grid(axis='y', color='0.9')
        panel.margins(x=0.15)
    panels[0].set_yticks(range(len(rows)), [row['name'].partition('_')[0] for row in rows])
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    figure.suptitle(title)
    figure.savefig(file, dpi=150)


def check_records(records: Mapping[str, Record], fold: int, names: list[str]) -> None:
    """Check that all records are tests of the same crops.

    Raises:
        DataError: If one is not.
    """
    for name, record in records.items():
        if set(record.images) != {f'{image}.png' for image in names}:
            raise DataError(
                f'{name} was tested on other crops than the test split of fold {fold}: choose '
                f'records of this fold, or --fold {record.fold}'
            )


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument(
        '--env', required=True, metavar='PYTHON', help='Python of an environment with nnunetv2'
    )
    options.add_argument(
        '--data',
        type=Path,
        default=os.environ.get('DROSOPHILA_ROOT', 'data/drosophila'),
        help='the converted Drosophila dataset; default here: %(default)s',
    )
    options.add_argument('--fold', type=at_least(0), default=0, help='default: %(default)s')
    options.add_argument(
        '--records', type=Path, nargs='+', default=[], metavar='FILE', help='records of our runs'
    )
    options.add_argument(
        '--minutes', type=float, help='of training; default: those of the longest record'
    )
    options.add_argument(
        '--workers', type=at_least(0), default=2, help='for augmentation; default: %(default)s'
    )
    options.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/nnunet'),
        help='folder for the files of nnU-Net; default: %(default)s',
    )
    options.add_argument('--plot', type=Path, metavar='FILE', help='write the plot to FILE')
    options.set_defaults(device='cpu', repeats=1)
    args = options.parse_args(argv)
    if args.minutes is None and not args.records:
        options.error('set --minutes, or name --records, whose minutes are used')
    if args.minutes is not None and args.minutes <= 0:
        options.error(f'argument --minutes: {args.minutes} is not above 0')
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    records = {file.stem: read_record(file) for file in args.records}
    lists = read_lists(args.data, args.fold)
    check_records(records, args.fold, lists['test'])
    minutes = {name: record.seconds['training'] / 60 for name, record in records.items()}
    args.minutes = args.minutes or max(minutes.values())
    report = Report(args, outputs=[args.plot])
    work_dir = args.work_dir.absolute() / f'fold{args.fold}'
    convert(args.data, lists, work_dir / 'raw' / NAME)
    told = run_nnunet(args, work_dir)
    areas = areas_of(work_dir / 'predictions', args.data, lists['test'])
    iterations = dict(iterations=told['iterations'])
    rows = [row('nnU-Net', told['seconds'] / 60, told['parameters'], areas, **iterations)]
    for name, record in records.items():
        rows.append(row(name, minutes[name], record.parameters, record.images))
    report.content |= dict(nnunet=told, images=areas)
    title = f'Drosophila, test split of fold {args.fold}, IoU in percent'
    report.table(title, rows)
    if args.plot:
        plot(rows, title, args.plot)
    compared = {
        name: compare([record.images], [areas], case=case_rule(SLICE))
        for name, record in records.items()
    }
    if compared:
        lines = [dict(ours=name, difference=str(value)) for name, value in compared.items()]
        report.table('Difference to nnU-Net on the same crops', lines)
    report.close()


if __name__ == '__main__':
    run_cli(main)

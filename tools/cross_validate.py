"""Train and test every fold of a config, and average the metrics over the folds.

    python tools/cross_validate.py CONFIG [--folds 5] [--work-dir DIR] [--cfg-options KEY=VALUE ...]

For fold k, the tool runs tools/train.py in DIR/fold{k}/train and tools/test.py in DIR/fold{k}/test.
DIR/fold{k}/log.txt has their output. The config reads the environment variable FOLD, which is k.
The best checkpoint is tested, or the last one if the config saves no best checkpoint. If the tool
is interrupted, run the same command again to resume. Finished folds are not repeated.

The test metrics of every fold, their mean and their standard deviation (n - 1 in the denominator)
are printed and written to cross_validation.csv and cross_validation.json in DIR. For metrics per
class, set test_evaluator = dict(type='PerClassIoUMetric') in the config.
"""

import argparse
import copy
import csv
import functools
import io
import json
import shlex
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path, help='training config that reads FOLD')
    parser.add_argument('--folds', type=int, default=5, help='number of folds; default: 5')
    parser.add_argument('--work-dir', type=Path, help='output folder; default: work_dirs/<config>')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change settings of the config in every training and test',
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

from mmengine.registry import init_default_scope

import mmseg_attn  # noqa: F401  prepares the stack for configs that inherit from mmseg::
from mmseg_attn.apps.cli import print_table, run_cli
from mmseg_attn.apps.runs import (
    Job,
    Record,
    end_by_signals,
    read_config,
    read_record,
    run_jobs,
    summarize,
)
from mmseg_attn.datasets.building import build_dataset
from mmseg_attn.engine.cfg_options import parse_options
from mmseg_attn.errors import RunError, UsageError
from mmseg_attn.io import counted, write_file

TOOLS = Path(__file__).resolve().parent


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    work_dir = args.work_dir or Path('work_dirs', args.config.stem)
    jobs = plan(args, work_dir)
    check(args.config, args.cfg_options, jobs, work_dir)
    say = functools.partial(print, '==', flush=True)
    records = {job.fold: read_record(job.record) for job in jobs if job.record.exists()}
    for fold in records:
        say(f'fold {fold}: already finished')
        if changed := changed_since(jobs[fold]):
            say(
                f'warning: {changed} was changed after fold {fold} was tested, and its scores are '
                f'those of before: to repeat it, remove {jobs[fold].folder}'
            )

    def on_record(record: Record) -> None:
        records[record.fold] = record
        record.write(jobs[record.fold].record)

    waiting = [job for job in jobs if job.fold not in records]
    outcome = run_jobs(waiting, TOOLS, on_record=on_record, say=say)
    if outcome.failed:
        raise RunError('\n'.join([*outcome.failed, 'Run the same command again to resume']))
    folds = counted(args.folds, 'fold')
    say(f'{folds} of {args.config}, also in {work_dir}/cross_validation.*')
    write(work_dir, summarize([records[job.fold].metrics for job in jobs]))
    checkpoints = [job.train_dir / records[job.fold].checkpoint for job in jobs]
    if not all(path.is_file() for path in checkpoints):
        return
    first, *others = map(str, checkpoints)
    if not others:
        say(f'The tested checkpoint is {first}')
    else:
        command = ['python', 'tools/predict.py', str(args.config), first, 'IMAGES']
        command += ['--out', 'predicted', '--checkpoints', *others]
        say(f'To predict with the mean of all folds: {shlex.join(command)}')


def plan(args: argparse.Namespace, work_dir: Path) -> list[Job]:
    """Read the config of every fold."""
    if args.folds < 1:
        raise UsageError(f'--folds must be at least 1, got {args.folds}')
    return [
        Job(
            title=f'fold {fold}',
            source=args.config.stem,
            config=read_config(args.config, args.cfg_options, fold=fold),
            options=parse_options(args.cfg_options),
            fold=fold,
            folder=work_dir / f'fold{fold}',
        )
        for fold in range(args.folds)
    ]


def check(file: Path, options: list[str], jobs: list[Job], work_dir: Path) -> None:
    """Check configs and data before the first training starts."""
    first = jobs[0].config
    if first.pretty_text == read_config(file, options, fold=1).pretty_text:
        raise UsageError(
            f'{file} does not read FOLD, so all folds would be the same: use it in the names of '
            'the split files, as in ann_file="splits/fold{{$FOLD:0}}/train.txt"'
        )
    save_best = first.get('default_hooks', {}).get('checkpoint', {}).get('save_best')
    if isinstance(save_best, list) and len(save_best) > 1:
        raise UsageError(
            f'{file} saves best checkpoints for {save_best}, but only one can be tested: '
            'set default_hooks.checkpoint.save_best to one metric'
        )
    for job in jobs:
        for split in ('train', 'val', 'test'):
            loader = job.config.get(f'{split}_dataloader')
            if not loader and split != 'val':
                raise UsageError(
                    f'{file} has no {split}_dataloader: add one, since each fold is trained and '
                    'tested'
                )
            dataset = (loader or {}).get('dataset', {})
            split_file = Path(dataset.get('data_root') or '', dataset.get('ann_file') or '')
            if not split_file.exists():
                raise UsageError(
                    f'{split_file} of fold {job.fold} is missing: prepare the data, or lower '
                    '--folds'
                )
    saved = work_dir / 'cross_validation_config.py'
    if saved.exists() and saved.read_text(encoding='utf-8') != first.pretty_text:
        raise UsageError(
            f'{work_dir} contains a cross-validation of another configuration (see {saved}): '
            'choose another --work-dir'
        )
    write_file(saved, first.pretty_text)


def changed_since(job: Job) -> Path | None:
    """Return a split file, an image or a mask of the fold that is newer than its record."""
    tested = job.record.stat().st_mtime
    init_default_scope(job.config.get('default_scope', 'mmseg'))
    for split in ('train', 'val', 'test'):
        try:
            dataset = build_dataset(copy.deepcopy(job.config[f'{split}_dataloader'].dataset))
            samples = [dataset.get_data_info(index) for index in range(len(dataset))]
        except Exception:  # the class may be the user's own, and the files moved since
            continue
        names = [sample.get(key) for sample in samples for key in ('img_path', 'seg_map_path')]
        for name in [getattr(dataset, 'ann_file', None), *names]:
            if name and Path(name).is_file() and Path(name).stat().st_mtime > tested:
                return Path(name)
    return None


def write(work_dir: Path, summary: dict[str, dict]) -> None:
    """Write and print the metrics of the folds."""
    write_file(work_dir / 'cross_validation.json', json.dumps(summary, indent=2) + '\n')
    count = max(len(row['folds']) for row in summary.values())
    header = ['metric', 'mean', 'std', *(f'fold{fold}' for fold in range(count))]
    rows = [[key, row['mean'], row['std'], *row['folds']] for key, row in summary.items()]
    stream = io.StringIO(newline='')
    csv.writer(stream).writerows([header, *rows])
    write_file(work_dir / 'cross_validation.csv', stream.getvalue())
    print_table(
        header,
        (
            [key, *('-' if value is None else f'{value:.4g}' for value in values)]
            for key, *values in rows
        ),
    )


if __name__ == '__main__':
    end_by_signals('the cross-validation')
    run_cli(main)

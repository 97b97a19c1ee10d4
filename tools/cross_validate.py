"""Train and test every fold of a config, and average the metrics over the folds.

    python tools/cross_validate.py CONFIG [--folds 5] [--work-dir DIR] [--cfg-options KEY=VALUE ...]

For fold k, the tool runs tools/train.py and tools/test.py in DIR/fold{k}. The config reads the
environment variable FOLD, which is k. The best checkpoint is tested, or the last one if the config
saves no best checkpoint. If the tool is interrupted, run the same command again to resume. Finished
folds are not repeated.

The test metrics of every fold, their mean and their standard deviation (n - 1 in the denominator)
are printed and written to cross_validation.csv and cross_validation.json in DIR. For metrics per
class, set test_evaluator = dict(type='PerClassIoUMetric') in the config.
"""

import argparse
import csv
import io
import json
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

import mmseg_attn  # noqa: F401  prepares the stack for configs that inherit from mmseg::
from mmseg_attn.apps.cli import print_table, run_cli
from mmseg_attn.apps.runs import FoldJob, end_by_signals, read_config, summarize
from mmseg_attn.errors import RunError, UsageError
from mmseg_attn.io import write_file

TOOLS = Path(__file__).resolve().parent


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    work_dir = args.work_dir or Path('work_dirs', args.config.stem)
    jobs = plan(args, work_dir)
    check(args.config, jobs, work_dir)
    metrics = []
    for job in jobs:
        if job.is_finished('test'):
            print(f'== Fold {job.fold}: already finished', flush=True)
        try:
            metrics.append(job.execute(TOOLS))
        except RunError as error:
            raise RunError(
                f'fold {job.fold}: {error}. Run the same command again to resume'
            ) from error
    print(f'\n== {args.folds} folds of {args.config}, also in {work_dir}/cross_validation.*')
    write(work_dir, summarize(metrics))


def plan(args: argparse.Namespace, work_dir: Path) -> list[FoldJob]:
    """Read the config of every fold."""
    if args.folds < 1:
        raise UsageError(f'--folds must be at least 1, got {args.folds}')
    return [
        FoldJob(
            config=read_config(args.config, args.cfg_options, fold=fold),
            fold=fold,
            folder=work_dir / f'fold{fold}',
            file=args.config,
            options=args.cfg_options,
            on_step=lambda step, fold=fold: print(f'== Fold {fold}: {step}', flush=True),
        )
        for fold in range(args.folds)
    ]


def check(file: Path, jobs: list[FoldJob], work_dir: Path) -> None:
    """Check configs and data before the first training starts."""
    first = jobs[0].config
    if first.pretty_text == read_config(file, jobs[0].options, fold=1).pretty_text:
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
            dataset = (job.config.get(f'{split}_dataloader') or {}).get('dataset', {})
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

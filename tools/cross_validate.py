"""Cross-validation: train and test every fold of a config, then compare the folds.

    python tools/cross_validate.py CONFIG [--folds 5] [--work-dir DIR] [--cfg-options KEY=VALUE ...]

Fold k is tools/train.py and tools/test.py with FOLD=k in the environment, which the config reads,
in DIR/fold{k}; tested is the best checkpoint, or the last where the config keeps no best one.
After an interruption the same command goes on: finished folds are kept, an unfinished one resumes.

Printed, and written to DIR as cross_validation.csv and .json: every test metric of every fold, with
mean and standard deviation over the folds (n - 1 in the denominator). Metrics per class need
dict(type='PerClassIoUMetric') as test_evaluator.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path)
    parser.add_argument('--folds', type=int, default=5, help='how many, from 0 on; default: 5')
    parser.add_argument('--work-dir', type=Path, help='default: work_dirs/<name of the config>')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='as for tools/train.py, in every training and test',
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

from prettytable import PrettyTable

import mmseg_attn  # noqa: F401  prepares the stack for configs that inherit from mmseg::
from mmseg_attn.apps.cli import run_cli
from mmseg_attn.apps.reproduce import (
    BEFORE_TOOL,
    end_by_signals,
    find_checkpoint,
    find_metrics,
    read_config,
    summarize,
    write_json,
)
from mmseg_attn.errors import RunError

TOOLS = Path(__file__).resolve().parent


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    work_dir = args.work_dir or Path('work_dirs', args.config.stem)
    check(args.config, args.cfg_options, args.folds, work_dir)
    folds = []
    try:
        for fold in range(args.folds):
            folds.append(run_fold(args.config, args.cfg_options, fold, work_dir / f'fold{fold}'))
    except RunError as error:
        sys.exit(str(error))
    summary = summarize(folds)
    write_json(work_dir / 'cross_validation.json', summary)
    table = write_csv(work_dir / 'cross_validation.csv', summary)
    print(
        f'\n== {args.folds} folds of {args.config}, also in {work_dir}/cross_validation.*\n{table}'
    )


def check(config: Path, options: list[str], folds: int, work_dir: Path) -> None:
    """Stop, with a sentence, where hours of training would be for nothing."""
    if folds < 1:
        sys.exit(f'--folds must be at least 1, got {folds}')
    first = read_config(config, options, fold=0)
    if first.pretty_text == read_config(config, options, fold=1).pretty_text:
        sys.exit(
            f'{config} does not read FOLD, so all folds would be the same: name the split files '
            'by it, as in ann_file="splits/fold{{$FOLD:0}}/train.txt"'
        )
    save_best = first.get('default_hooks', {}).get('checkpoint', {}).get('save_best')
    if isinstance(save_best, list) and len(save_best) > 1:
        sys.exit(
            f'{config} keeps best checkpoints of {save_best}, but one is to be tested: '
            'set default_hooks.checkpoint.save_best to one metric'
        )
    for fold in range(folds):
        cfg = read_config(config, options, fold=fold)
        for split in ('train', 'val', 'test'):
            dataset = (cfg.get(f'{split}_dataloader') or {}).get('dataset', {})
            file = Path(dataset.get('data_root') or '', dataset.get('ann_file') or '')
            if not file.exists():
                sys.exit(f'{file} of fold {fold} is missing: prepare the data, or lower --folds')
    saved = work_dir / 'cross_validation_config.py'
    if saved.exists() and saved.read_text() != first.pretty_text:
        sys.exit(
            f'{work_dir} holds a cross-validation of another configuration, see {saved}: '
            'choose another --work-dir'
        )
    work_dir.mkdir(parents=True, exist_ok=True)
    saved.write_text(first.pretty_text)


def run_fold(config: Path, options: list[str], fold: int, folder: Path) -> dict[str, float]:
    """Do what is still to do of a fold.

    Returns:
        Its test metrics.
    """
    file = folder / 'cross_validation.json'  # what is done of it
    done = json.loads(file.read_text()) if file.exists() else {}
    if 'metrics' in done:
        print(f'== Fold {fold}: finished before', flush=True)
        return done['metrics']
    if 'checkpoint' not in done:
        resume = (folder / 'last_checkpoint').exists()
        extra = [*options, 'load_from=None'] if resume else options  # it would win over --resume
        flags = ['--work-dir', str(folder), *(['--resume'] if resume else [])]
        run('train', config, *flags, options=extra, fold=fold)
        done['checkpoint'] = find_checkpoint(folder)
        if not done['checkpoint'].startswith('best_'):
            print(f'== There is no best_*.pth in {folder}: the last checkpoint is tested')
        write_json(file, done)
    flags = [str(folder / done['checkpoint']), '--work-dir', str(folder / 'test')]
    run('test', config, *flags, options=options, fold=fold)
    done['metrics'] = find_metrics(folder / 'test')
    write_json(file, done)
    return done['metrics']


def run(tool: str, config: Path, *flags: str, options: list[str], fold: int) -> None:
    """Run one of the tools; stop if it fails."""
    command = [sys.executable, str(TOOLS / f'{tool}.py'), str(config), *flags]
    if options:
        command += ['--cfg-options', *options]
    print(f'== Fold {fold}: {tool}', flush=True)
    environment = os.environ | dict(FOLD=str(fold))
    done = subprocess.run(command, env=environment, preexec_fn=BEFORE_TOOL)
    if done.returncode:
        sys.exit(
            f'Cross-validation stopped: tools/{tool}.py failed in fold {fold} with exit code '
            f'{done.returncode}, see above; everything so far is kept, and the same command goes on'
        )


def write_csv(file: Path, summary: dict[str, dict]) -> PrettyTable:
    """Write the summary, and make a table of it to print."""
    count = max(len(row['folds']) for row in summary.values())
    header = ['metric', 'mean', 'std', *(f'fold{fold}' for fold in range(count))]
    rows = [[key, row['mean'], row['std'], *row['folds']] for key, row in summary.items()]
    with file.open('w', newline='') as stream:
        csv.writer(stream).writerows([header, *rows])
    table = PrettyTable(header, align='r')
    table.align['metric'] = 'l'
    for key, *values in rows:
        table.add_row([key, *('-' if value is None else f'{value:.4g}' for value in values)])
    return table


if __name__ == '__main__':
    end_by_signals('the cross-validation')
    run_cli(main)

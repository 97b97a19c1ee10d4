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
import re
import signal
import statistics
import subprocess
import sys
from pathlib import Path

from mmengine.config import Config, DictAction
from prettytable import PrettyTable

import mmseg_attn  # noqa: F401  prepares the stack for configs that inherit from mmseg::
from mmseg_attn.datasets.conversion import run_cli

TOOLS = Path(__file__).resolve().parent


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


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    work_dir = args.work_dir or Path('work_dirs', args.config.stem)
    check(args.config, args.cfg_options, args.folds, work_dir)
    folds = []
    for fold in range(args.folds):
        folds.append(run_fold(args.config, args.cfg_options, fold, work_dir / f'fold{fold}'))
    summary = summarise(folds)
    write_json(work_dir / 'cross_validation.json', summary)
    table = write_csv(work_dir / 'cross_validation.csv', summary)
    print(
        f'\n== {args.folds} folds of {args.config}, also in {work_dir}/cross_validation.*\n{table}'
    )


def check(config: Path, options: list[str], folds: int, work_dir: Path) -> None:
    """Stop, with a sentence, where hours of training would be for nothing."""
    if folds < 1:
        sys.exit(f'--folds must be at least 1, got {folds}')
    first = load(config, options, 0)
    if first.pretty_text == load(config, options, 1).pretty_text:
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
        cfg = load(config, options, fold)
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


def load(config: Path, options: list[str], fold: int) -> Config:
    """Read a config as the tools do when FOLD is ``fold``."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='*', action=DictAction, default={})
    before = os.environ.get('FOLD')
    os.environ['FOLD'] = str(fold)
    try:
        cfg = Config.fromfile(config, import_custom_modules=False)
    finally:
        os.environ.pop('FOLD')
        if before is not None:
            os.environ['FOLD'] = before
    cfg.merge_from_dict(parser.parse_args(['--cfg-options', *options]).cfg_options)
    return cfg


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
    done = subprocess.run(command, env=os.environ | dict(FOLD=str(fold)))
    if done.returncode:
        sys.exit(
            f'Cross-validation stopped: tools/{tool}.py failed in fold {fold} with exit code '
            f'{done.returncode}, see above; everything so far is kept, and the same command goes on'
        )


def find_checkpoint(folder: Path) -> str:
    """Name of the best checkpoint of a finished training, or of its last."""
    best = list(folder.glob('best_*.pth'))
    if best:  # after a kill there can be two; the later one is the better one
        return max(best, key=lambda path: int(re.findall(r'\d+', path.stem)[-1])).name
    print(f'== There is no best_*.pth in {folder}: the last checkpoint is tested', flush=True)
    try:
        return Path((folder / 'last_checkpoint').read_text().strip()).name
    except FileNotFoundError:
        sys.exit(f'{folder} holds no checkpoint to test: switch the CheckpointHook on')


def find_metrics(folder: Path) -> dict[str, float]:
    """What MMEngine wrote after the newest test in the folder."""
    newest = max(folder.glob('*/*.json'))  # the names are times
    return {
        key: value
        for key, value in json.loads(newest.read_text()).items()
        if key not in ('time', 'data_time') and isinstance(value, int | float) and value == value
    }


def summarise(folds: list[dict[str, float]]) -> dict[str, dict]:
    """Compare the folds, metric by metric.

    Args:
        folds: metrics of each fold; one that is not defined in a fold is missing there.

    Returns:
        Per metric the mean and the standard deviation over the folds that have it, ``None`` where
        there are too few, and the values.
    """
    summary = {}
    for key in dict.fromkeys(key for fold in folds for key in fold):
        values = [fold.get(key) for fold in folds]
        known = [value for value in values if value is not None]
        mean = statistics.mean(known) if known else None
        std = statistics.stdev(known) if len(known) > 1 else None
        summary[key] = dict(mean=mean, std=std, folds=values)
    return summary


def write_json(file: Path, content: dict) -> None:
    """Write a file that is complete or not there."""
    aside = file.with_suffix('.tmp')
    aside.write_text(json.dumps(content, indent=2) + '\n')
    aside.replace(file)


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
    # subprocess.run ends its child when an exception passes; a plain SIGTERM would leave it alone
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('Cross-validation was terminated'))
    run_cli(main)

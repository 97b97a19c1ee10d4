"""Reproduce a table of a paper and compare the results with the paper's figures.

    python tools/reproduce.py TABLE [--protocol reduced] [--rows ROW ...] [--folds N]

The tool trains every row with tools/train.py and tests it with tools/test.py. If it is interrupted,
run the same command again to resume. Finished rows are not repeated. If a row fails, it is marked
as failed and the other rows still run. After each row, the tool writes the whole table to
docs/results as Markdown, CSV and a plot. Rows that have not been run have empty cells.

configs/tables.yaml defines the tables, their rows and the figures of the papers.
"""

import argparse
import functools
import io
import re
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
CONFIGS = TOOLS.parent / 'configs'
REDUCED = '-reduced'
QUIET = 30  # seconds between two lines of progress


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    tables = re.findall(r'^[\w-]+(?=:)', (CONFIGS / 'tables.yaml').read_text(), re.MULTILINE)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'table',
        metavar='TABLE',
        choices=[name for name in tables if not name.endswith(REDUCED)],
        help='one of: %(choices)s',
    )
    parser.add_argument(
        '--protocol',
        choices=['paper', 'reduced'],
        default='paper',
        help='protocol of the paper, or a small one for a CPU; default: %(default)s',
    )
    parser.add_argument('--rows', nargs='+', metavar='ROW', help='rows to run; default: all')
    parser.add_argument('--folds', type=int, default=1, help='number of folds; default: 1')
    length = parser.add_mutually_exclusive_group()
    length.add_argument('--max-epochs', type=int, help='largest number of epochs of each training')
    length.add_argument(
        '--max-iters', type=int, help='largest number of iterations of each training'
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/reproduce'),
        help='folder of the runs; default: %(default)s',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('docs/results'),
        metavar='DIR',
        help='folder of the table; default: %(default)s',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change settings of the config in every training and test',
    )
    args = parser.parse_args(argv)
    for name in ('folds', 'max_epochs', 'max_iters'):
        number = getattr(args, name)
        if number is not None and number < 1:
            parser.error(f'argument --{name.replace("_", "-")}: {number} is below 1')
    return args


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

from mmengine.logging import MMLogger

import mmseg_attn  # noqa: F401  registers the parts and prepares the stack
from mmseg_attn.apps.cli import run_cli
from mmseg_attn.apps.reproduce import (
    PaperTable,
    Plan,
    Progress,
    check_data,
    collect,
    load_tables,
    markdown,
    plan_row,
    plot,
    remaining,
    to_csv,
)
from mmseg_attn.apps.runs import Job, end_by_signals
from mmseg_attn.errors import RunError, UsageError
from mmseg_attn.io import write_file


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    MMLogger.get_current_instance().setLevel('WARNING')  # it names every variable of every config
    table = choose_table(args, load_tables(CONFIGS / 'tables.yaml'))
    rows = choose_rows(args.rows, table)
    plans = plan(args, table, rows)
    selected = [row for row in plans if row.row.name in rows]
    check_data(table, selected)

    save = functools.partial(write, args, table, plans)
    save()  # fails at once if the folder is not writable
    failed = run(table, selected, save)
    print(f'== {table.title}: see {args.out / file_name(args, table)}.md, .csv and .png')
    if failed:
        raise RunError('some rows failed:\n' + '\n'.join(failed))


def choose_table(args: argparse.Namespace, tables: dict[str, PaperTable]) -> PaperTable:
    """Find the table of the protocol.

    Raises:
        UsageError: If the table has no such protocol, or fewer folds.
    """
    name = args.table + REDUCED * (args.protocol == 'reduced')
    if name not in tables:
        reduced = ', '.join(n.removesuffix(REDUCED) for n in tables if n.endswith(REDUCED))
        raise UsageError(f'{args.table} has no reduced protocol: choose from {reduced}')
    if args.folds > tables[name].folds:
        raise UsageError(f'--folds {args.folds} is too large: {name} has {tables[name].folds}')
    return tables[name]


def choose_rows(names: list[str] | None, table: PaperTable) -> list[str]:
    """Find rows by their names, as printed or in lower case with hyphens.

    Raises:
        UsageError: If there is no such row.
    """
    known = {row.slug: row.name for row in table.rows} | {row.name: row.name for row in table.rows}
    for name in names or ():
        if name not in known:
            rows = ', '.join(row.slug for row in table.rows)
            raise UsageError(f'--rows {name} is not a row of {table.name}: choose from {rows}')
    return [known[name] for name in names or known]


def plan(args: argparse.Namespace, table: PaperTable, chosen: Sequence[str]) -> list[Plan]:
    """Plan all rows of the table, including those that are not chosen.

    A row that is not chosen and does not fit the arguments counts as not run.

    Raises:
        UsageError: If the arguments do not fit a chosen row, or an earlier run had another config.
    """
    lengths = dict(max_epochs=args.max_epochs, max_iters=args.max_iters)
    cut = {key: value for key, value in lengths.items() if value}
    rest = dict(configs=CONFIGS, work_dir=args.work_dir, folds=args.folds, cut=cut)
    plans = []
    for row in table.rows:
        try:
            plans.append(plan_row(row, options=args.cfg_options, **rest))
        except UsageError:
            if row.name in chosen:
                raise
            unchanged = plan_row(row, **rest | dict(folds=1, cut={}))
            unchanged.jobs.clear()
            plans.append(unchanged)
    for job in [job for row in plans for job in row.jobs]:
        if job.conflict():
            raise UsageError(job.conflict())
    return plans


def run(table: PaperTable, plans: Sequence[Plan], save: Callable[[], None]) -> list[str]:
    """Run the jobs that are not finished.

    Returns:
        A line for every row or fold that failed.
    """
    failed = [f'{row.row.name}: {row.error}' for row in plans if row.error]
    jobs: list[tuple[str, float, Job]] = []
    for row in plans:
        for job in row.jobs if not row.error else ():
            name = row.row.name + (f', fold {job.fold}' if len(row.jobs) > 1 else '')
            if job.is_finished(table.split):
                print(f'== {name}: already finished')
            else:
                jobs.append((name, row.cost, job))
    progress = Progress([cost for _, cost, _ in jobs])
    for name, _, job in jobs:
        progress.start()
        try:
            on_line = report_to(progress, name)
            job.execute(TOOLS, table.split, best=table.checkpoint == 'best', on_line=on_line)
        except RunError as error:
            failed.append(f'{name}: {error}')
            print(f'== {failed[-1]}', file=sys.stderr, flush=True)
            progress.end(finished=False)
        else:
            progress.end()
        save()
    print(f'== {progress}')
    return failed


def report_to(progress: Progress, name: str) -> Callable[[str], None]:
    """Print that a run starts, and return a callback for its output that prints the progress."""
    print(f'== {name}: started. {progress}', flush=True)
    last = time.monotonic()

    def on_line(line: str) -> None:
        nonlocal last
        seconds = remaining(line)
        if seconds is not None:
            progress.expect(seconds)
            if time.monotonic() >= last + QUIET:
                step = line.split(' - ')[-1].split('  ')[0].strip()
                print(f'== {name}: {step}. {progress}', flush=True)
                last = time.monotonic()

    return on_line


def file_name(args: argparse.Namespace, table: PaperTable) -> str:
    """Name the result; a partial result never replaces a complete one."""
    cuts = [f'-{args.folds}of{table.folds}folds'] if args.folds < table.folds else []
    cuts += [f'-{args.max_epochs}e'] if args.max_epochs else []
    cuts += [f'-{args.max_iters}i'] if args.max_iters else []
    return ''.join([table.name, *cuts])


def command(args: argparse.Namespace) -> str:
    """Return the command for the whole table, without folders."""
    words = ['python', 'tools/reproduce.py', args.table]
    words += ['--protocol', 'reduced'] if args.protocol == 'reduced' else []
    words += ['--folds', str(args.folds)] if args.folds > 1 else []
    words += ['--max-epochs', str(args.max_epochs)] if args.max_epochs else []
    words += ['--max-iters', str(args.max_iters)] if args.max_iters else []
    words += ['--cfg-options', *args.cfg_options] if args.cfg_options else []
    return shlex.join(words)


def write(args: argparse.Namespace, table: PaperTable, plans: Sequence[Plan]) -> None:
    """Write the results so far."""
    name, results = file_name(args, table), collect(table, plans)
    page = markdown(table, results, command=command(args), image=f'{name}.png')
    png = io.BytesIO()
    plot(table, results).savefig(png, dpi=150)
    write_file(args.out / f'{name}.md', page)
    write_file(args.out / f'{name}.csv', to_csv(table, results))
    write_file(args.out / f'{name}.png', png.getvalue())


if __name__ == '__main__':
    end_by_signals('the reproduction')
    run_cli(main)

"""Run the rows of a paper's table and write them beside the paper's figures.

    python tools/reproduce.py TABLE [--protocol reduced] [--rows ROW ...] [--folds N]

Every row is trained with tools/train.py and tested with tools/test.py. The same command goes on
after an interruption: finished rows are kept, an unfinished one resumes. A row that fails is marked
so, and the others go on. After every row the table is written anew to docs/results as Markdown, CSV
and a plot: all rows of the table, empty where nothing has been run.

The tables, their rows and the papers' figures are in configs/tables.yaml.
"""

import argparse
import functools
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
        help="the paper's, or a small one for a CPU, where there is one",
    )
    parser.add_argument('--rows', nargs='+', metavar='ROW', help='which to run; default: all')
    parser.add_argument('--folds', type=int, default=1, help='how many, from 0 on; default: 1')
    length = parser.add_mutually_exclusive_group()
    length.add_argument('--max-epochs', type=int, help='stop every training after these')
    length.add_argument('--max-iters', type=int, help='the same, counted in iterations')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/reproduce'))
    parser.add_argument('--out', type=Path, default=Path('docs/results'), metavar='DIR')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='as for tools/train.py, in every training and test',
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
    Plan,
    Progress,
    Run,
    Table,
    check_data,
    collect,
    end_by_signals,
    load_tables,
    markdown,
    plan_row,
    plot,
    remaining,
    to_csv,
    write_text,
)
from mmseg_attn.errors import RunError, UsageError


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    MMLogger.get_current_instance().setLevel('WARNING')  # it names every variable of every config
    tables = load_tables(CONFIGS / 'tables.yaml')
    try:
        table = choose(args, tables)
        rows = choose_rows(args.rows, table)
        plans = plan(args, table, rows)
        selected = [each for each in plans if each.row.name in rows]
        check_data(table, selected)
    except UsageError as error:
        sys.exit(f'error: {error}')

    save = functools.partial(write, args, table, plans)
    save()  # complains at once where nothing can be written
    failed = run(table, selected, save)
    print(f'== {table.title}: see {args.out / file_name(args, table)}.md, .csv and .png')
    if failed:
        sys.exit('error: not everything ran:\n' + '\n'.join(failed))


def choose(args: argparse.Namespace, tables: dict[str, Table]) -> Table:
    """Find the table of the protocol.

    Raises:
        UsageError: if it has no such protocol, or not so many folds.
    """
    name = args.table + REDUCED * (args.protocol == 'reduced')
    if name not in tables:
        have = ', '.join(n.removesuffix(REDUCED) for n in tables if n.endswith(REDUCED))
        raise UsageError(f'{args.table} has no reduced protocol, only these have: {have}')
    if args.folds > tables[name].folds:
        raise UsageError(f'--folds {args.folds} is too much: {name} has {tables[name].folds}')
    return tables[name]


def choose_rows(wanted: list[str] | None, table: Table) -> list[str]:
    """Find the rows by their names, as printed or in lower case with hyphens.

    Raises:
        UsageError: if there is no such row.
    """
    known = {row.slug: row.name for row in table.rows} | {row.name: row.name for row in table.rows}
    for name in wanted or ():
        if name not in known:
            rows = ', '.join(row.slug for row in table.rows)
            raise UsageError(f'--rows {name} is no row of {table.name}: choose from {rows}')
    return [known[name] for name in wanted or known]


def plan(args: argparse.Namespace, table: Table, chosen: Sequence[str]) -> list[Plan]:
    """Plan all rows, whether chosen or not, as all stand in the table.

    A row that is not chosen need not take the arguments: it has not been run with them then.

    Raises:
        UsageError: if the arguments do not fit a chosen row, or an earlier run was another one.
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
            untouched = plan_row(row, **rest | dict(folds=1, cut={}))
            untouched.runs.clear()
            plans.append(untouched)
    for each in plans:
        for one in each.runs:
            if one.conflict():
                raise UsageError(one.conflict())
    return plans


def run(table: Table, plans: Sequence[Plan], save: Callable[[], None]) -> list[str]:
    """Do what is still to do.

    Returns:
        A line for every row or fold that failed.
    """
    failed = [f'{each.row.name}: {each.error}' for each in plans if each.error]
    todo: list[tuple[Plan, Run]] = []
    for each in plans:
        for one in each.runs if not each.error else ():
            if one.finished(table.split):
                print(f'== {name(each, one)}: finished before')
            else:
                todo.append((each, one))
    progress = Progress([each.cost for each, _ in todo])
    for each, one in todo:
        report = Reporter(progress, name(each, one))
        progress.start()
        try:
            one.go(table, TOOLS, report.line)
        except RunError as error:
            failed.append(f'{name(each, one)}: {error}')
            print(f'== {failed[-1]}', file=sys.stderr, flush=True)
            progress.end(finished=False)
        else:
            progress.end()
        save()
    print(f'== {progress}')
    return failed


def name(each: Plan, one: Run) -> str:
    return each.row.name + (f', fold {one.fold}' if len(each.runs) > 1 else '')


class Reporter:
    """Prints what is going on, but not too often; all that the tools say is in log.txt."""

    def __init__(self, progress: Progress, label: str):
        self.progress, self.label = progress, label
        self.next = 0.0
        self.say('starts')

    def line(self, line: str) -> None:
        """Take a line of a tool's output."""
        seconds = remaining(line)
        if seconds is not None:
            self.progress.expect(seconds)
            if time.monotonic() >= self.next:
                self.say(line.split(' - ')[-1].split('  ')[0].strip())

    def say(self, what: str) -> None:
        """Print a line on the run, and wait before the next."""
        print(f'== {self.label}: {what}. {self.progress}', flush=True)
        self.next = time.monotonic() + QUIET


def file_name(args: argparse.Namespace, table: Table) -> str:
    """Name of the result; that of a part never replaces that of the whole."""
    cuts = [f'-{args.folds}of{table.folds}folds'] if args.folds < table.folds else []
    cuts += [f'-{args.max_epochs}e'] if args.max_epochs else []
    cuts += [f'-{args.max_iters}i'] if args.max_iters else []
    return ''.join([table.name, *cuts])


def command(args: argparse.Namespace) -> str:
    """The command for the whole table, wherever it is run."""
    words = ['python', 'tools/reproduce.py', args.table]
    words += ['--protocol', 'reduced'] if args.protocol == 'reduced' else []
    words += ['--folds', str(args.folds)] if args.folds > 1 else []
    words += ['--max-epochs', str(args.max_epochs)] if args.max_epochs else []
    words += ['--max-iters', str(args.max_iters)] if args.max_iters else []
    words += ['--cfg-options', *args.cfg_options] if args.cfg_options else []
    return shlex.join(words)


def write(args: argparse.Namespace, table: Table, plans: Sequence[Plan]) -> None:
    """Write what there is so far."""
    args.out.mkdir(parents=True, exist_ok=True)
    stem, results = args.out / file_name(args, table), collect(table, plans)
    picture = f'{stem.name}.png'
    page = markdown(table, results, command=command(args), picture=picture)
    write_text(stem.with_name(f'{stem.name}.md'), page)
    write_text(stem.with_name(f'{stem.name}.csv'), to_csv(table, results))
    plot(table, results, stem.with_name(picture))


if __name__ == '__main__':
    end_by_signals('the reproduction')
    run_cli(main)

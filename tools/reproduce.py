"""Reproduce a table of a paper and compare the results with the paper's figures.

    python tools/reproduce.py TABLE [--protocol small] [--rows ROW ...] [--folds N] [--seeds S ...]

The tool trains every run (row, fold, seed) with tools/train.py and tests it with tools/test.py. It
records each finished run as a JSON file in docs/results/runs, with its scores per class and per
image, and writes the table from all records as Markdown, CSV and a plot. So a table can be filled
in several sessions, and on several machines if you copy the JSON files. Rows that have not been run
have empty cells. If a run fails, the others still run. index.md lists all tables. Pages of other
tables with the same configs are written again, since they may share runs.

A run whose record has the same config is not repeated. If only the code of this package was changed
since, the record is kept and the row is marked, because a run takes hours: set --rerun-changed-code
to repeat such runs. If the tool is interrupted, run the same command again to resume.

configs/tables.yaml defines the tables, their rows and the figures of the papers.
"""

import argparse
import contextlib
import functools
import hashlib
import io
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
CONFIGS = TOOLS.parent / 'configs'
PROTOCOLS = 'paper', 'reduced', 'small'
LONGEST = 60  # characters of options in the name of a file


def split_name(name: str) -> tuple[str, str]:
    """Split the name of a table in ``tables.yaml`` into that of the command line and protocol."""
    table, _, protocol = name.rpartition('-')
    return (table, protocol) if protocol in PROTOCOLS else (name, PROTOCOLS[0])


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    text = (CONFIGS / 'tables.yaml').read_text(encoding='utf-8')
    protocols: dict[str, list[str]] = {}
    for name in re.findall(r'^[\w-]+(?=:)', text, re.MULTILINE):
        table, protocol = split_name(name)
        protocols.setdefault(table, []).append(protocol)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('table', metavar='TABLE', choices=protocols, help='one of: %(choices)s')
    parser.add_argument(
        '--protocol',
        choices=PROTOCOLS,
        help='protocol of the paper, or a small or still smaller (reduced) one for a CPU; default: '
        'the first of these that the table has',
    )
    parser.add_argument('--rows', nargs='+', metavar='ROW', help='rows to run; default: all')
    folds = parser.add_mutually_exclusive_group()
    folds.add_argument('--folds', type=int, default=1, help='number of folds; default: 1')
    folds.add_argument(
        '--fold', type=int, nargs='+', metavar='K', help='folds to run, such as 3 4, from 0 on'
    )
    parser.add_argument(
        '--seeds', type=int, nargs='+', default=[0], metavar='S', help='seeds to run; default: 0'
    )
    parser.add_argument(
        '--parallel',
        type=int,
        default=1,
        metavar='N',
        help='number of runs side by side, each with one thread and, if there are several, with '
        'its own GPU; default: 1',
    )
    parser.add_argument(
        '--hours',
        type=float,
        metavar='H',
        help='start no run after H hours, but finish those that were started; 0 only writes the '
        'table; default: no limit',
    )
    parser.add_argument(
        '--rerun-changed-code',
        action='store_true',
        help='repeat recorded runs if the code that they used was changed since; default: keep '
        'them and mark the row',
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument('--max-epochs', type=int, help='largest number of epochs of each training')
    length.add_argument(
        '--max-iters', type=int, help='largest number of iterations of each training'
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/reproduce'),
        help='folder of logs and checkpoints; default: %(default)s',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('docs/results'),
        metavar='DIR',
        help='folder of the table; default: %(default)s',
    )
    parser.add_argument(
        '--records', type=Path, metavar='DIR', help='folder of the records; default: runs in --out'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change settings of the config in every training and test',
    )
    args = parser.parse_args(argv)
    for name in ('folds', 'parallel', 'max_epochs', 'max_iters'):
        number = getattr(args, name)
        if number is not None and number < 1:
            parser.error(f'argument --{name.replace("_", "-")}: {number} is below 1')
    for name in ('fold', 'seeds', 'hours'):
        numbers = getattr(args, name) or []
        for number in numbers if isinstance(numbers, list) else [numbers]:
            if number < 0:
                parser.error(f'argument --{name}: {number} is below 0')
    offered = protocols[args.table]
    args.protocol = args.protocol or next(name for name in PROTOCOLS if name in offered)
    if args.protocol not in offered:
        parser.error(f'{args.table} has no protocol {args.protocol}: choose {" or ".join(offered)}')
    args.records = args.records or args.out / 'runs'
    return args


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

from mmengine.logging import MMLogger

import mmseg_attn  # noqa: F401  registers the parts and prepares the stack
from mmseg_attn.apps.cli import run_cli
from mmseg_attn.apps.reproduce import (
    PaperRow,
    PaperTable,
    Plan,
    RowResult,
    check_data,
    collect,
    compare_splits,
    index,
    load_tables,
    markdown,
    plan_row,
    plot,
    to_csv,
)
from mmseg_attn.apps.runs import (
    Job,
    Key,
    Record,
    end_by_signals,
    portable_options,
    read_records,
    run_jobs,
)
from mmseg_attn.engine.cfg_options import parse_options
from mmseg_attn.errors import DataError, RunError, UsageError
from mmseg_attn.io import write_file


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    MMLogger.get_current_instance().setLevel('WARNING')  # it names every variable of every config
    name = args.table + (f'-{args.protocol}' if args.protocol != PROTOCOLS[0] else '')
    table = load_tables(CONFIGS / 'tables.yaml')[name]
    rows = choose_rows(args.rows, table)
    plans = plan(args, table, rows)
    save = functools.partial(write, args, table, plans, file_name(args, table, plans))
    say = functools.partial(print, '==', flush=True)

    def is_recorded(job: Job, records: Mapping[Key, Record]) -> bool:
        record = records.get(job.key)
        return record is not None and not (args.rerun_changed_code and record.changed_code())

    def is_done(job: Job) -> bool:
        with contextlib.suppress(DataError):  # a record that is being copied
            return is_recorded(job, read_records(args.records))
        return False

    def on_record(record: Record) -> None:
        record.write(args.records / record.name)
        save()

    selected = [planned for planned in plans if planned.row.name in rows]
    records, waiting = read_records(args.records), []
    for job in plan_jobs(args, table, selected):
        if is_recorded(job, records):
            say(f'{job.title}: already finished')
        else:
            waiting.append(job)
    if args.hours is None or args.hours > 0:
        check_data(waiting, trial=bool(cut(args)))
    page = save()  # fails at once if the folder is not writable
    outcome = run_jobs(
        waiting,
        TOOLS,
        on_record=on_record,
        say=say,
        is_done=is_done,
        parallel=args.parallel,
        hours=args.hours,
        restart=args.rerun_changed_code,
    )
    say(f'{table.title}: see {page}, .csv and .png')
    if outcome.left:
        say(f'{outcome.left} runs are left: run the same command again to continue')
    failed = [
        f'{planned.row.name}: {planned.error}' for planned in selected if planned.error
    ] + outcome.failed
    if failed:
        raise RunError('some runs failed:\n' + '\n'.join(failed))


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
    """Plan the rows of the table, without those that the arguments do not fit.

    Raises:
        UsageError: If the arguments do not fit a chosen row.
    """
    plans = []
    for row in table.rows:
        try:
            plan = plan_row(row, table, CONFIGS, options=args.cfg_options, cut=cut(args))
        except UsageError:
            if row.name in chosen:
                raise
        else:
            plans.append(plan)
    return plans


def plan_jobs(args: argparse.Namespace, table: PaperTable, plans: Sequence[Plan]) -> list[Job]:
    """Return the jobs: all rows of a fold before the next fold, and so with the seeds.

    Raises:
        UsageError: If the table has fewer folds.
    """
    folds = args.fold or range(args.folds)
    for fold in folds:
        if fold >= table.folds:
            raise UsageError(f'{table.name} has the folds 0 to {table.folds - 1}, but no {fold}')
    return [
        planned.job(
            table, fold, seed, args.work_dir, command(args, table, planned, fold=fold, seed=seed)
        )
        for seed in dict.fromkeys(args.seeds)
        for fold in dict.fromkeys(folds)
        for planned in plans
        if not planned.error
    ]


def cut(args: argparse.Namespace) -> dict[str, int]:
    """Return the largest length of the trainings, if there is one."""
    lengths = dict(max_epochs=args.max_epochs, max_iters=args.max_iters)
    return {key: value for key, value in lengths.items() if value}


def file_name(args: argparse.Namespace, table: PaperTable, plans: Sequence[Plan]) -> str:
    """Name the result; one with other options or a shorter training never replaces the table."""
    parts = [table.name, *(f'{value}{key[4]}' for key, value in cut(args).items())]
    plain = (plan_row(planned.row, table, CONFIGS, cut=cut(args)) for planned in plans)
    if args.cfg_options and any(a.hashes != b.hashes for a, b in zip(plans, plain, strict=True)):
        text = '-'.join(re.sub(r'[^\w.=-]', '', option) for option in options(args))
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        parts.append(text if len(text) < LONGEST else f'options-{digest}')
    return '-'.join(parts)


def fill_command(table: PaperTable) -> list[str]:
    """Return the words of the command that fills a table on all folds."""
    on_command_line, protocol = split_name(table.name)
    words = ['python', 'tools/reproduce.py', on_command_line]
    words += ['--protocol', protocol] if protocol != PROTOCOLS[0] else []
    return words + (['--folds', str(table.folds)] if table.folds > 1 else [])


def command(
    args: argparse.Namespace,
    table: PaperTable,
    plan: Plan | None = None,
    *,
    fold: int = 0,
    seed: int = 0,
) -> str:
    """Return the command for the whole table or for one run of a row, without folders."""
    if plan:
        words = ['python', 'tools/reproduce.py', args.table, '--protocol', args.protocol]
        words += ['--rows', plan.row.slug, '--fold', str(fold), '--seeds', str(seed)]
    else:
        words = fill_command(table)
    for key, value in cut(args).items():
        words += [f'--{key.replace("_", "-")}', str(value)]
    if kept := options(args):
        words += ['--cfg-options', *kept]
    return shlex.join(words)


def options(args: argparse.Namespace) -> list[str]:
    """Return the options without settings of the machine, and with names of files, not paths."""
    kept = portable_options(parse_options(args.cfg_options))
    return [f'{key}={value}' for key, value in kept.items()]


def write(args: argparse.Namespace, table: PaperTable, plans: Sequence[Plan], name: str) -> Path:
    """Write a table, and those that may share its runs, from the records; return its page."""
    recorded = read_records(args.records)
    results, text = collect(table, plans, recorded), command(args, table)
    if name != table.name:  # a trial, which is no part of any table
        return write_page(args, name, table, results, text)
    tables = load_tables(CONFIGS / 'tables.yaml')
    page = write_page(args, name, table, results, text, splits(table, results, tables, recorded))
    configs = {row.config for row in table.rows}
    for other in tables.values():
        written = other.name != name and (args.out / f'{other.name}.md').is_file()
        if written and configs & {row.config for row in other.rows}:
            results = collect_rows(other, other.rows, recorded)
            text, other_splits = fill_command(other), splits(other, results, tables, recorded)
            write_page(args, other.name, other, results, shlex.join(text), other_splits)
    write_file(args.out / 'index.md', list_tables(tables, recorded, args.out))
    return page


def splits(
    table: PaperTable,
    results: Sequence[RowResult],
    tables: Mapping[str, PaperTable],
    recorded: Mapping[Key, Record],
) -> str:
    """Compare the rows with those of the table that has other splits, if there is one."""
    if not table.other_split:
        return ''
    other, names = tables[table.other_split], {result.row.name for result in results}
    rows = [row for row in other.rows if row.name in names]
    return compare_splits(table, results, other, collect_rows(other, rows, recorded))


def write_page(
    args: argparse.Namespace,
    name: str,
    table: PaperTable,
    results: Sequence[RowResult],
    text: str,
    other_splits: str = '',
) -> Path:
    """Write the page of a table with its CSV and plot, and return it."""
    page, png = args.out / f'{name}.md', io.BytesIO()
    plot(table, results).savefig(png, dpi=150)
    content = markdown(
        table,
        results,
        command=text,
        image=f'{name}.png',
        records=Path(os.path.relpath(args.records, args.out)).as_posix(),
        other_splits=other_splits,
    )
    write_file(page, content)
    write_file(page.with_name(f'{name}.csv'), to_csv(table, results))
    write_file(page.with_name(f'{name}.png'), png.getvalue())
    return page


def collect_rows(
    table: PaperTable, rows: Sequence[PaperRow], recorded: Mapping[Key, Record]
) -> list[RowResult]:
    """Find the records of rows as the table has them, whatever the arguments change."""
    return collect(table, [plan_row(row, table, CONFIGS) for row in rows], recorded)


def list_tables(
    tables: Mapping[str, PaperTable], recorded: Mapping[Key, Record], folder: Path
) -> str:
    """Return the page that lists all tables, with the command that fills each of them."""
    configs = {record.config for record in recorded.values()}
    results, commands = {}, {}
    for name, table in tables.items():
        rows = [row for row in table.rows if row.config in configs]
        results[name] = collect_rows(table, rows, recorded)
        commands[name] = shlex.join(fill_command(table))
    return index(tables, results, commands, folder)


if __name__ == '__main__':
    end_by_signals('the reproduction')
    run_cli(main)

"""Print and write the results of the benchmarks: tables, targets and the machine."""

import argparse
import dataclasses
import json
import math
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from mmengine.device import get_device

from benchmarks import quiet
from benchmarks.harness import Row
from benchmarks.memory import use
from mmseg_attn.apps.runs import environment
from mmseg_attn.errors import DataError

MIB = 2**20


@dataclass(frozen=True)
class Target:
    """Hold the target for a measured value.

    Attributes:
        what: Description of the value.
        limit: Upper limit, or lower limit with ``at_least``.
        measured: The value; ``None`` if it was not measured in this run.
        at_least: Whether larger values are better.
    """

    what: str
    limit: float
    measured: float | None
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """Return ``met``, ``missed`` or ``not measured``."""
        if self.measured is None:
            return 'not measured'
        met = self.measured >= self.limit if self.at_least else self.measured <= self.limit
        return 'met' if met else 'missed'


def at_least(minimum: int) -> Callable[[str], int]:
    """Make an argparse type for whole numbers from ``minimum`` on."""

    def integer(text: str) -> int:
        value = int(text)
        if value < minimum:
            raise argparse.ArgumentTypeError(f'{value} is below {minimum}')
        return value

    return integer


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options of all benchmarks."""
    options = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument('--device', default=get_device(), help='default here: %(default)s')
    options.add_argument('--threads', type=at_least(1), help="default: PyTorch's own choice")
    options.add_argument(
        '--repeats', type=at_least(1), default=5, help='turns; default: %(default)s'
    )
    options.add_argument('--json', type=Path, metavar='FILE', help='also write the figures to FILE')
    return options


class Report:
    """Print results as they arrive, and write all of them to a file at the end.

    The file has ``machine``, ``device``, ``threads``, ``date``, ``command``, ``tables`` (each with
    ``title`` and ``rows``), ``targets`` and, on Linux, ``cores used by others``.

    Args:
        args: The options of a parser from :func:`parser`; the number of threads is set.
        outputs: Additional files that will be written, or ``None``.
        timed: Whether times are measured; then it warns if other processes use the cores.

    Raises:
        DataError: If the device or the folder for a file is missing.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        outputs: Sequence[Path | None] = (),
        *,
        timed: bool = True,
    ) -> None:
        use(args.device)
        for file in filter(None, (args.json, *outputs)):
            if not file.resolve().parent.is_dir():
                raise DataError(f'cannot write {file}: its folder does not exist; create it first')
        if args.threads:
            torch.set_num_threads(args.threads)
        self.file = args.json
        self.targets: list[Target] = []
        module = f'benchmarks.{Path(sys.argv[0]).stem}'
        self.content = dict(
            machine=environment(),
            device=args.device,
            threads=torch.get_num_threads(),
            date=datetime.now(timezone.utc).strftime('%Y-%m-%d'),
            command=shlex.join(['python', '-m', module, *sys.argv[1:]]),
            tables=[],
        )
        for key in ('command', 'date', 'device', 'threads'):
            print(f'{key}: {self.content[key]}')
        for key, value in self.content['machine'].items():
            print(f'{key}: {value}')
        self.load = None
        if timed:
            self._tell('before', quiet.look())
            self.load = quiet.OtherLoad()

    def _tell(self, when: str, cores: float | None) -> None:
        """Print how many cores other processes use, and warn if they are too many."""
        if cores is None:
            return
        self.content.setdefault('cores used by others', {})[when] = round(cores, 2)
        print(f'cores used by other processes {when} the run: {cores:.2f}')
        if text := quiet.warning(cores):
            print(f'warning: {text}', file=sys.stderr)

    def table(self, title: str, rows: Sequence[dict[str, Any]]) -> None:
        """Print rows as a table with rounded numbers, and keep them for the file."""
        self.content['tables'].append(dict(title=title, rows=list(rows)))
        print(f'\n### {title}\n\n{markdown(rows)}', flush=True)

    def timings(
        self,
        title: str,
        rows: Sequence[Row],
        baseline: str,
        more: Callable[[Row], dict[str, Any]] = lambda row: {},
    ) -> None:
        """Print a table of the rows of ``compare``.

        Args:
            title: Title of the table.
            rows: The measurements.
            baseline: Name of the contender that the ratios are relative to.
            more: Function that returns additional columns, for example images per second.
        """
        kept = [dict(dataclasses.asdict(row), **more(row)) for row in rows]
        self.content['tables'].append(dict(title=title, baseline=baseline, rows=kept))
        shown = [
            {
                'contender': row.name,
                'ms': row.median and 1e3 * row.median,
                'fastest': row.fastest and 1e3 * row.fastest,
                'slowest': row.slowest and 1e3 * row.slowest,
                f'time / {baseline}': row.ratio,
                'peak MiB': None if row.peak is None else row.peak / MIB,
                f'peak / {baseline}': row.peak_ratio,
                **more(row),
                'note': row.note,
            }
            for row in rows
        ]
        print(f'\n### {title}\n\n{markdown(shown)}', flush=True)

    def close(self) -> None:
        """Print the targets, and write the file."""
        targets = [dict(dataclasses.asdict(t), verdict=t.verdict) for t in self.targets]
        if targets:
            shown = [
                {
                    'target': t.what,
                    'limit': f'{"at least" if t.at_least else "at most"} {t.limit:.3g}',
                    'measured': t.measured,
                    'verdict': t.verdict,
                }
                for t in self.targets
            ]
            print(f'\n### Targets\n\n{markdown(shown)}')
        if self.load:
            self._tell('during', self.load.cores())
        if self.file:
            content = dict(self.content, targets=targets)
            self.file.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Format rows as a table without empty columns."""
    keys = dict.fromkeys(key for row in rows for key in row)
    columns = {key: [row.get(key) for row in rows] for key in keys}
    columns = {key: cells for key, cells in columns.items() if set(cells) - {None, ''}}
    lines = [
        list(columns),
        ['---:' if all(map(_is_number, cells)) else '---' for cells in columns.values()],
        *zip(*([_cell(cell) for cell in cells] for cells in columns.values()), strict=True),
    ]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, (int, float))


def _cell(value: Any) -> str:
    if value is None:
        return ''
    if not isinstance(value, float):
        return str(value)
    digits = (
        max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    )  # three significant digits
    return f'{value:.{digits}f}'

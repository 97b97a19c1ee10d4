"""Measure a training step on an idle and on a busy machine, for several OpenMP settings.

    python -m benchmarks.busy [--network U-Net] [--spins 1000 2000] [--pin] [--json FILE]

PyTorch's CPU threads wait for each other many times in a step. By default they spin: if another
process uses the core of one thread, the others waste their cores until it continues. This script
compares environment variables, each in a training process of its own. The processes take turns, on
the idle machine and next to a process that keeps a core busy, which this script starts and ends.
Run it on an idle machine: it warns if other processes use the cores.
"""

import argparse
import contextlib
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

from benchmarks.harness import Contender, Row, compare
from benchmarks.report import Report, Target, at_least, parser
from benchmarks.training_contenders import OURS
from benchmarks.workers import Worker, keep_busy
from mmseg_attn.apps.cli import run_cli

DEFAULT, ONE = 'default', 'one thread'
TOOLS = 'GOMP_SPINCOUNT=1000'  # set by our tools
VARIABLES = ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT', 'KMP_BLOCKTIME', 'OMP_NUM_THREADS')
QUIET, BUSY = 'quiet', 'busy'
TOLERANCE = 0.02


def settings(args: argparse.Namespace) -> dict[str, dict[str, str]]:
    """Return the environment variables of each setting; GOMP is GNU's OpenMP."""
    return {
        DEFAULT: {},
        **{f'GOMP_SPINCOUNT={count}': {'GOMP_SPINCOUNT': str(count)} for count in args.spins},
        'OMP_WAIT_POLICY=PASSIVE': {'OMP_WAIT_POLICY': 'PASSIVE'},
        ONE: {'OMP_NUM_THREADS': '1'},
    }


def train(connection: Connection, args: argparse.Namespace) -> None:
    """Train in a process of its own; send the loss after each turn of ``args.steps``."""
    from benchmarks import train_step

    step = train_step.contender(args.network, args.base, args).build()
    while True:
        connection.recv()
        for _ in range(args.steps):
            _, loss = step()
        connection.send(loss.item())


@contextlib.contextmanager
def busy(worker: Worker) -> Iterator[None]:
    """Let a worker keep a core busy for a while."""
    worker.ask()
    try:
        yield
    finally:
        worker.turn()


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument('--network', choices=OURS, default='U-Net', help='default: %(default)s')
    options.add_argument('--base', type=at_least(2), default=16, help='default: %(default)s')
    options.add_argument('--size', type=at_least(32), default=256, help='default: %(default)s')
    options.add_argument('--batch', type=at_least(1), default=2, help='default: %(default)s')
    options.add_argument('--steps', type=at_least(1), default=3, help='per turn; default: 3')
    options.add_argument(
        '--spins', type=at_least(1), nargs='*', default=[1000], help='of GOMP_SPINCOUNT'
    )
    options.add_argument('--pin', action='store_true', help='the busy process stays on one core')
    options.set_defaults(device='cpu', precision='float32', runtime='default')
    return options.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    report = Report(args)
    losses: list[float] = []

    def check(loss: float) -> None:
        losses.append(loss)
        if not abs(loss - losses[0]) <= TOLERANCE * abs(losses[0]):
            raise ValueError(f'its loss is {loss:.4g} instead of {losses[0]:.4g}')

    with contextlib.ExitStack() as stack:

        def start(name: str, *job: object, **options: object) -> Worker:
            worker = Worker(name, *job, **options)
            stack.callback(worker.close)
            return worker

        neighbor = start('busy process', keep_busy, args.pin)
        contenders = []
        for name, changes in settings(args).items():
            threads = {'OMP_NUM_THREADS': str(args.threads)} if args.threads else {}
            environment = dict.fromkeys(VARIABLES) | threads | changes
            worker = start(name, train, args, environment=environment)
            contenders += [
                Contender(f'{name}, {QUIET}', lambda worker=worker: worker.turn, check),
                Contender(f'{name}, {BUSY}', lambda worker=worker: beside(worker, neighbor), check),
            ]
        rows = compare(
            contenders, f'{DEFAULT}, {QUIET}', repeats=args.repeats, memory=False, calls_before=1
        )
    how = 'a core' if args.pin else 'one of the cores'
    title = f'training step, {args.network}, base width {args.base}, batch {args.batch}'
    report.timings(f'{args.steps} x {title}', rows, f'{DEFAULT}, {QUIET}')
    by_name = {row.name: row for row in rows}
    names = list(settings(args))
    report.table(f'ms of a {title}; busy: {how} taken', summary(names, by_name, args.steps))
    report.targets += targets(by_name)
    report.close()


def beside(worker: Worker, neighbor: Worker) -> Callable[[], float]:
    """Return a turn of a worker while another one keeps a core busy."""

    def turn() -> float:
        with busy(neighbor):
            return worker.turn()

    return turn


def summary(names: list[str], rows: dict[str, Row], steps: int) -> list[dict]:
    """Return a row for each setting."""
    lines = []
    for name in names:
        quiet, loaded = rows[f'{name}, {QUIET}'], rows[f'{name}, {BUSY}']
        lines.append(
            {
                'setting': name,
                QUIET: 1e3 * quiet.median / steps,
                'relative to the default': quiet.ratio,
                BUSY: 1e3 * loaded.median / steps,
                'relative to one thread': loaded.ratio / rows[f'{ONE}, {BUSY}'].ratio,
            }
        )
    return lines


def targets(rows: dict[str, Row]) -> list[Target]:
    """Return the targets for the setting of our tools."""
    if f'{TOOLS}, {QUIET}' not in rows:
        return []
    loaded = rows[f'{TOOLS}, {BUSY}'].ratio / rows[f'{ONE}, {BUSY}'].ratio
    return [
        Target(f'quiet: {TOOLS} / default', 1.05, rows[f'{TOOLS}, {QUIET}'].ratio),
        Target(f'busy: {TOOLS} / one thread', 1.5, loaded),
    ]


if __name__ == '__main__':
    run_cli(main)

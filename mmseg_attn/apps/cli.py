"""Share what the tools print and parse: configs, devices, progress, tables, errors."""

import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

import torch
from mmengine.config import Config
from mmengine.device import get_device

from ..compat.warning_filters import leave_out_warnings_of_the_host
from ..engine.cfg_options import merge_options
from ..engine.host_errors import INTERRUPTED, user_sentence
from ..engine.safe_loading import enable_safe_loading
from ..errors import MMSegAttnError, UsageError

T = TypeVar('T')


def run_cli(main: Callable[[], None]) -> NoReturn:
    """Run a tool and report user errors as one line on stderr, with exit code 1.

    An interruption ends the tool with exit code 130, as shells expect.

    Args:
        main: The tool. Errors of this package, ``OSError`` and the errors of the host that a
            user's config can cause are user errors. All others are defects and keep their
            traceback.
    """
    enable_safe_loading()
    leave_out_warnings_of_the_host()
    try:
        main()
    except KeyboardInterrupt:
        sys.stderr.write('error: interrupted\n')
        sys.exit(INTERRUPTED)
    except Exception as error:
        message = user_sentence(error)
        if not message:
            raise
        sys.exit(f'error: {message}')
    sys.exit(0)


def load_config(file: Path, options: Sequence[str] = ()) -> Config:
    """Load a config and apply ``--cfg-options`` to it.

    Args:
        file: The config.
        options: Texts ``KEY=VALUE``.

    Raises:
        UsageError: If the file is missing or is not a config.
        DataError: If an option does not fit the config.
    """
    check_file(file, 'a config file')
    try:
        cfg = Config.fromfile(file)
    except MMSegAttnError:
        raise
    except Exception as error:  # a config is a program
        reason = ' '.join(f'{type(error).__name__}: {error}'.split())
        raise UsageError(f'{file} cannot be read as a config ({reason}): correct it') from error
    merge_options(cfg, options)
    complete_model(cfg)
    return cfg


def complete_model(cfg: Config) -> None:
    """Give the model the preprocessor of the config's top level, as MMEngine's ``Runner`` does."""
    model, preprocessor = cfg.get('model'), cfg.get('data_preprocessor')
    if model and preprocessor:
        model.setdefault('data_preprocessor', preprocessor)


def check_file(file: Path, kind: str) -> None:
    """Check that a file exists.

    Args:
        file: The file.
        kind: The kind of file that the user has to name, such as 'a config file'.

    Raises:
        UsageError: If the file is missing or is a folder.
    """
    if not file.is_file():
        raise UsageError(f'{file} is missing: name {kind}')


def check_output(option: str, out: Path, suffixes: Sequence[str], *inputs: Path) -> None:
    """Check that a tool can write a file, before it spends time on the content.

    Args:
        option: The option that names the file.
        out: The file. Missing folders above it are created.
        suffixes: The suffixes that it may have.
        inputs: Files that the tool reads.

    Raises:
        UsageError: If it is a folder, has another suffix or is an input, or its folder cannot be
            written.
    """
    if out.is_dir():
        raise UsageError(f'{option} {out} is a folder: name a file')
    if out.suffix.lower() not in suffixes:
        endings = ' or '.join(suffixes)
        raise UsageError(f'{option} {out} is not a name that ends in {endings}: choose one')
    if out.resolve() in [file.resolve() for file in inputs]:
        raise UsageError(f'{option} {out} is an input of the tool: choose another file')
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise UsageError(
            f'{out.parent} cannot be written ({error.strerror}): choose another folder with '
            f'{option}'
        ) from error


def usable_device(name: str | None) -> str:
    """Return the device of ``--device``, or the GPU if there is one, and check that it works.

    Raises:
        UsageError: If PyTorch cannot use the device.
    """
    device = name or get_device()
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f'--device {device} cannot be used ({reason}): choose another device, such as cpu'
        ) from error
    return device


def progress(items: Sequence[T], label: str) -> Iterator[T]:
    """Yield the items and show the progress on stderr.

    On a terminal, the progress is a bar. In a file, it is a line for every tenth of the items, and
    a line for the item at which an error ends the loop.
    """
    if not sys.stderr.isatty():
        yield from _log_progress(items, label)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = TextColumn('{task.description}', markup=False), BarColumn(), MofNCompleteColumn()
    with Progress(
        *columns,
        Remaining(),
        console=Console(stderr=True),
        auto_refresh=False,  # a thread would not survive the fork of a data loader
        redirect_stdout=False,
        redirect_stderr=False,
    ) as bar:
        yield from bar.track(items, description=label)


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table, the first column aligned to the left and the others to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.MARKDOWN)
    for i, name in enumerate(header):
        table.add_column(name, justify='right' if i else 'left')
    for row in rows:
        table.add_row(*row)
    console = Console(width=10_000, markup=False, highlight=False)  # as wide as the table
    with console.capture() as capture:
        console.print(table)
    sys.stdout.write(capture.get().strip() + '\n')


def _log_progress(items: Sequence[T], label: str) -> Iterator[T]:
    total, done, logged = len(items), 0, 0
    try:
        for done, item in enumerate(items, 1):
            if 10 * done // total > 10 * (done - 1) // total:
                logged = done
                sys.stderr.write(f'{label} {done}/{total}\n')
            yield item
    finally:
        if logged < done:
            sys.stderr.write(f'{label} {done}/{total}\n')

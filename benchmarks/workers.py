"""Processes that take turns: each works when it is asked to, and stands still in between."""

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from typing import Any


class Worker:
    """A new Python process.

    It gets a connection, and sends something after each turn. It ends with this process, whatever
    ends that.

    Args:
        name: What it is called where it fails.
        target: The function that it runs, of the connection and ``args``.
        args: What else the function takes.
        environment: What is changed in the environment; ``None`` removes a variable.
    """

    def __init__(
        self,
        name: str,
        target: Callable,
        *args: Any,
        environment: Mapping[str, str | None] | None = None,
    ) -> None:
        self.name = name
        context = multiprocessing.get_context('spawn')
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_run, args=(target, theirs, args), daemon=True)
        with changed_environment(environment or {}):
            self.process.start()
        theirs.close()

    def turn(self, message: Any = None) -> Any:
        """Ask for a turn, and wait for what it sends at the end."""
        self.ask(message)
        return self.receive()

    def ask(self, message: Any = None) -> None:
        """Send a message, and do not wait."""
        try:
            self.connection.send(message)
        except ConnectionError as error:
            raise self._ended() from error

    def receive(self) -> Any:
        """Wait for what it sends.

        Raises:
            DataError: If it has ended.
        """
        try:
            return self.connection.recv()
        except (EOFError, ConnectionError) as error:
            raise self._ended() from error

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()
        self.connection.close()

    def _ended(self) -> Exception:
        from mmseg_attn.errors import DataError  # a worker needs no PyTorch

        return DataError(f'{self.name}: its process ended, see above')


def _run(target: Callable, connection: Connection, args: tuple) -> None:
    try:
        target(connection, *args)
    except (EOFError, ConnectionError):
        if multiprocessing.parent_process().is_alive():  # else there is nobody to tell
            raise


def keep_busy(connection: Connection, pin: bool) -> None:
    """Keep a core busy from each message to the next; the job of a worker.

    Args:
        connection: Where the messages come from.
        pin: Whether it stays on one core, the first; Linux only.
    """
    if pin:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    while True:
        connection.recv()
        while not connection.poll():
            sum(range(100_000))
        connection.send(connection.recv())


@contextlib.contextmanager
def changed_environment(changes: Mapping[str, str | None]) -> Iterator[None]:
    """Change environment variables for a while; ``None`` removes one."""
    before = {name: os.environ.get(name) for name in changes}

    def change(values: Mapping[str, str | None]) -> None:
        for name, value in values.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    change(changes)
    try:
        yield
    finally:
        change(before)

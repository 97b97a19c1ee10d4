"""Run processes that take turns: each works on request and waits in between."""

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from typing import Any


class Worker:
    """Start a Python process that communicates over a connection.

    It sends a result after each turn, and ends when this process ends.

    Args:
        name: Name of the process in error messages.
        target: Function to run with the connection and ``args``.
        args: Other arguments of the function.
        environment: Environment variables to change; ``None`` removes a variable.
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
        """Request a turn and wait for its result."""
        self.ask(message)
        return self.receive()

    def ask(self, message: Any = None) -> None:
        """Send a message without waiting."""
        try:
            self.connection.send(message)
        except ConnectionError as error:
            raise self._ended() from error

    def receive(self) -> Any:
        """Wait for a result.

        Raises:
            DataError: If the process has ended.
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
        from mmseg_attn.errors import DataError  # imported here, since a worker needs no PyTorch

        return DataError(f'the process of {self.name} has ended; see its error above')


def _run(target: Callable, connection: Connection, args: tuple) -> None:
    try:
        target(connection, *args)
    except (EOFError, ConnectionError):
        if (
            multiprocessing.parent_process().is_alive()
        ):  # otherwise no process can receive the error
            raise


def keep_busy(connection: Connection, pin: bool) -> None:
    """Keep a core busy from each message to the next; the target of a worker.

    Args:
        connection: Connection that sends the messages.
        pin: Whether to stay on the first core; Linux only.
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
    """Change environment variables inside a block; ``None`` removes a variable."""
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

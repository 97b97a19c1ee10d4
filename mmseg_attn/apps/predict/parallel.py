"""Compute with several threads, and keep the order of the results."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

Item = TypeVar('Item')
Result = TypeVar('Result')
_END = object()


def in_order(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    workers: int,
    ahead: int,
    is_large: Callable[[Item], bool],
    alone: Callable[[Item], Result],
    start: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Item, Result]]:
    """Yield items with their results, in the order of the items, which are computed ahead.

    Args:
        function: Called with an item, in a thread.
        items: The items, which the calling thread takes.
        workers: Number of threads.
        ahead: The largest number of items that are computed or wait while a result is used.
        is_large: Whether an item is to be computed alone.
        alone: Called instead, in the calling thread and while no other item is computed, with a
            large item, and with one that is the only one.
        start: Called in each thread when it starts.

    Raises:
        Exception: The first error of a function, at the place of its item.
    """
    source: Iterator[Any] = iter(items)
    pending: deque[tuple[Item, Future[Result]]] = deque()
    pool = ThreadPoolExecutor(workers, initializer=start)
    try:
        item = next(source, _END)
        while item is not _END:
            large = is_large(item)
            following = _END if large else next(source, _END)
            apart = large or (following is _END and not pending)
            if not apart:
                pending.append((item, pool.submit(function, item)))
            while pending and (apart or following is _END or len(pending) > ahead):
                done, future = pending.popleft()
                yield done, future.result()
            if apart:
                yield item, alone(item)
            item = next(source, _END) if large else following
    finally:
        pool.shutdown(cancel_futures=True)


class Background:
    """Call functions in threads, at most a few ahead; the end waits for all.

    Args:
        workers: Number of threads.
    """

    def __init__(self, workers: int) -> None:
        self.pool = ThreadPoolExecutor(workers)
        self.limit = 2 * workers
        self.pending: deque[Future] = deque()

    def __enter__(self) -> 'Background':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            while self.pending and error is None:
                self.pending.popleft().result()
        finally:
            self.pool.shutdown(cancel_futures=True)

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call a function in a thread, when one is free.

        Raises:
            Exception: The error of an earlier function.
        """
        self.pending.append(self.pool.submit(function, *args, **kwargs))
        while len(self.pending) > self.limit:
            self.pending.popleft().result()

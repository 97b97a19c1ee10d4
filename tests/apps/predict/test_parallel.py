"""Threads compute ahead, and the results keep their order."""

import threading
from collections.abc import Iterator

import pytest

from mmseg_attn.apps.predict.parallel import Background, in_order


class Work:
    """Record who computes what, and wait until several threads are at work."""

    def __init__(self, side_by_side: int = 1) -> None:
        self.barrier = threading.Barrier(side_by_side)
        self.events: list[tuple[str, int]] = []

    def items(self, number: int) -> Iterator[int]:
        for item in range(number):
            self.events.append(('taken', item))
            yield item

    def compute(self, item: int) -> str:
        self.barrier.wait(10)
        return threading.current_thread().name

    def alone(self, item: int) -> str:
        self.events.append(('alone', item))
        return threading.current_thread().name

    def run(self, number: int, *, workers: int, ahead: int, large=()) -> list[tuple[int, str]]:
        results = []
        for item, result in in_order(
            self.compute,
            self.items(number),
            workers=workers,
            ahead=ahead,
            is_large=lambda item: item in large,
            alone=self.alone,
        ):
            self.events.append(('used', item))
            results.append((item, result))
        return results


def test_threads_compute_side_by_side_and_in_order():
    work = Work(side_by_side=3)
    results = work.run(6, workers=3, ahead=3)
    assert [item for item, _ in results] == [0, 1, 2, 3, 4, 5]
    assert len({name for _, name in results}) == 3
    assert threading.current_thread().name not in dict(results).values()


def test_only_a_few_items_are_taken_ahead():
    work = Work()
    work.run(9, workers=1, ahead=2)
    taken = used = 0
    for kind, _ in work.events:
        taken, used = taken + (kind == 'taken'), used + (kind == 'used')
        assert taken - used <= 2 + 2  # computed or waiting, the used one, and the following one


def test_a_single_item_is_computed_by_the_calling_thread():
    assert Work(side_by_side=2).run(1, workers=2, ahead=2) == [(0, threading.current_thread().name)]
    assert Work().run(0, workers=2, ahead=2) == []


def test_a_large_item_has_the_machine_for_itself():
    work = Work()
    results = work.run(5, workers=2, ahead=4, large=[2, 4])
    assert [item for item, _ in results] == [0, 1, 2, 3, 4]
    main = threading.current_thread().name
    assert [item for item, name in results if name == main] == [2, 4]
    for large in (2, 4):  # what was before it is done
        place = work.events.index(('alone', large))
        assert ('used', large - 1) in work.events[:place]


def test_each_thread_starts_once():
    started = []
    names = in_order(
        lambda _: threading.current_thread().name,
        range(8),
        workers=2,
        ahead=2,
        is_large=lambda _: False,
        alone=str,
        start=lambda: started.append(threading.current_thread().name),
    )
    assert {name for _, name in names} <= set(started)
    assert 1 <= len(started) == len(set(started)) <= 2


def fail_at(place: int):
    def compute(item: int) -> int:
        if item == place:
            raise OSError(f'item {item}')
        return item

    return compute


def test_an_error_has_its_place():
    results = in_order(
        fail_at(2), range(9), workers=3, ahead=3, is_large=lambda _: False, alone=int
    )
    assert [next(results), next(results)] == [(0, 0), (1, 1)]
    with pytest.raises(OSError, match='item 2'):
        next(results)
    assert next(results, None) is None


def test_a_consumer_may_stop():
    before = threading.active_count()
    results = in_order(
        fail_at(-1), range(9), workers=3, ahead=3, is_large=lambda _: False, alone=int
    )
    assert next(results) == (0, 0)
    results.close()
    assert threading.active_count() == before


def test_the_background_does_everything():
    done = []
    with Background(2) as background:
        for i in range(20):
            background.call(done.append, i)
    assert sorted(done) == [*range(20)]


def test_the_background_is_at_most_a_few_calls_ahead():
    release = threading.Event()
    reached = []

    def feed() -> None:
        with Background(1) as background:
            for i in range(5):
                background.call(release.wait, 10)
                reached.append(i)

    thread = threading.Thread(target=feed)
    thread.start()
    thread.join(0.2)
    assert len(reached) <= 2
    release.set()
    thread.join(10)
    assert reached == [*range(5)]


def test_an_error_in_the_background_is_raised():
    with pytest.raises(OSError, match='item 3'), Background(1) as background:
        background.call(fail_at(3), 3)
    done = []

    def feed() -> None:
        with Background(1) as background:
            for i in range(9):
                background.call(fail_at(0), i)
                done.append(i)

    with pytest.raises(OSError, match='item 0'):  # by a later call
        feed()
    assert len(done) < 9


def test_an_error_in_the_foreground_is_the_one_that_is_raised():
    def fail() -> None:
        with Background(1) as background:
            background.call(fail_at(3), 3)
            raise ValueError('ours')

    with pytest.raises(ValueError, match='ours'):
        fail()

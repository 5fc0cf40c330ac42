"""Independent pieces of work side by side, with results that do not depend on how many workers there are.

Linear algebra is held to one thread, for its sums would otherwise depend on the number of processors. So work
is cut into pieces here instead, at places that the work alone decides; numpy lets other threads go on while
it multiplies. Results come back in the order of the pieces, so sums over them are always the same.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_WORKERS = 4  # each takes memory of its own
CHUNK_ROWS = 1024  # of samples: enough for a fast matrix product

# Threads start with a context of their own, so what a worker does is never handed to the pool again: workers
# that wait for workers could wait for ever.
_POOL: ContextVar[Executor | None] = ContextVar("_POOL", default=None)


@contextmanager
def workers(count: int) -> Iterator[None]:
    """Have ``in_order`` use so many threads, at most ``MOST_WORKERS``, until the context is left."""
    if count == 1:
        yield
        return
    pool = ThreadPoolExecutor(min(count, MOST_WORKERS))
    token = _POOL.set(pool)
    try:
        yield
    finally:
        _POOL.reset(token)
        pool.shutdown(cancel_futures=True)  # after Ctrl-C, only what has begun is finished


def in_order(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """The results of a function for each of several items, in their order.

    Args:
        function: Called from several threads inside ``workers``; it must change nothing that is shared, but
            for parts that belong to its own item.
        items: What to call it with.
    """
    pool = _POOL.get()
    return map(function, items) if pool is None or len(items) < 2 else pool.map(function, items)


def row_chunks(rows: int) -> list[slice]:
    """Slices of ``CHUNK_ROWS`` rows, the last of as many as are left."""
    return [slice(first, min(first + CHUNK_ROWS, rows)) for first in range(0, rows, CHUNK_ROWS)]

"""Work on blocks of rows in threads, with results whose bytes do not depend on the number of threads.

A matrix product rounds its sums in an order that depends on how many threads compute it. Here each product is of a
block of rows whose bounds depend on nothing but the number of rows, is computed by one thread, and the blocks' results
come in their order, for the caller to add.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar

from spacer_like.cores import thread_count

Item = TypeVar("Item")
Result = TypeVar("Result")

ROWS_AT_ONCE = 512
_MOST_BLOCKS = 256


class _OneThread:
    """The limit of one thread for each matrix product, which holds while anybody needs it."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.users = 0
        self.limits: Any = None

    def acquire(self) -> None:
        from threadpoolctl import threadpool_limits

        with self.lock:
            if not self.users:
                self.limits = threadpool_limits(1, "blas")
            self.users += 1

    def release(self) -> None:
        with self.lock:
            self.users -= 1
            if not self.users:
                self.limits.restore_original_limits()


_ONE_THREAD = _OneThread()


def row_blocks(n: int, rows: int = ROWS_AT_ONCE) -> list[slice]:
    """The blocks of n rows, of at least `rows` rows each but the last, and not more blocks than a few hundred."""
    rows = max(rows, -(-n // _MOST_BLOCKS))
    return [slice(start, min(start + rows, n)) for start in range(0, n, rows)]


class BlockThreads:
    """Threads that work on blocks of rows, as many as `cores.thread_count` says."""

    def __init__(self, pool: ThreadPoolExecutor | None) -> None:
        self._pool = pool

    def map(self, function: Callable[[Item], Result], blocks: Sequence[Item]) -> Iterator[Result]:
        """What the function makes of each block, in the order of the blocks."""
        return map(function, blocks) if self._pool is None or len(blocks) == 1 else self._pool.map(function, blocks)


@contextmanager
def block_threads() -> Iterator[BlockThreads]:
    """Threads for blocks of rows. Until they end, one thread computes each matrix product in this process."""
    threads = thread_count()
    _ONE_THREAD.acquire()
    try:
        if threads == 1:
            yield BlockThreads(None)
        else:
            with ThreadPoolExecutor(threads) as pool:
                yield BlockThreads(pool)
    finally:
        _ONE_THREAD.release()

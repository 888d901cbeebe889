"""Doing one thing to many items at once, in bounded memory."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from queue import SimpleQueue
from typing import TypeVar

from spacer_like.exceptions import SpacerError

Item = TypeVar("Item")
Value = TypeVar("Value")


def outcomes(
    work: Callable[[Item], Value], items: Iterable[Item], concurrency: int
) -> Iterator[tuple[Item, Value | SpacerError]]:
    """Every item with what `work` made of it, or with the `SpacerError` it raised, in the order of completion.

    At most `concurrency` values wait or are in the making at a time, so that a slow consumer slows the work down
    instead of filling the memory. Other exceptions than a `SpacerError` are raised here. A consumer that stops early
    waits for what is in the making, and nothing more is begun.
    """
    done: SimpleQueue[tuple[Item, Value | BaseException]] = SimpleQueue()

    def one(item: Item) -> None:
        try:
            done.put((item, work(item)))
        except BaseException as error:
            done.put((item, error))

    waiting = iter(items)
    first = list(islice(waiting, max(concurrency, 1)))
    with concurrent.futures.ThreadPoolExecutor(max(len(first), 1), thread_name_prefix="spacer-storage") as workers:
        try:
            for item in first:
                workers.submit(one, item)
            running = len(first)
            while running:
                item, outcome = done.get()
                running -= 1
                if isinstance(outcome, BaseException) and not isinstance(outcome, SpacerError):
                    raise outcome
                for following in islice(waiting, 1):
                    workers.submit(one, following)
                    running += 1
                yield item, outcome
        finally:
            workers.shutdown(wait=True, cancel_futures=True)

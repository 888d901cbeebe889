"""Progress of long work, for listeners and now and then for the log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from logging import getLogger

logger = getLogger(__name__)

Listener = Callable[[str, int, int], None]
"""Called with (what is done, steps ended, steps in all)."""

SECONDS_BETWEEN_LOG_LINES = 10.0

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_logged_at: ContextVar[dict[str, float] | None] = ContextVar("logged_at", default=None)


def report(work: str, ended: int, total: int) -> None:
    """Report that `ended` of `total` steps of some work have ended."""
    if listener := _listener.get():
        listener(work, ended, total)
    logged_at = _logged_at.get()
    if logged_at is None:
        _logged_at.set(logged_at := {})
    now = time.monotonic()
    if now - logged_at.setdefault(work, now) >= SECONDS_BETWEEN_LOG_LINES:
        logged_at[work] = now
        logger.info("%s: %d of %d", work, ended, total)
    if ended == total:
        logged_at.pop(work, None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call a listener for every report of this thread during a block.

    >>> with listening(print):
    ...     report("training", 3, 10)
    training 3 10
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)

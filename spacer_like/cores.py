"""How many processor cores there are to work with."""

from __future__ import annotations

import os

from spacer_like.config import settings


def core_count() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_count() -> int:
    """How many threads compute: the setting TORCH_THREADS, else as many as there are cores."""
    return settings().torch_threads or core_count()

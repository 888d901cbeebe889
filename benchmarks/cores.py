"""The cores that everything is measured on, and how much of their time goes to others."""

from __future__ import annotations

import os
from pathlib import Path

THREADS = 2
_COLUMNS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_IDLE = ("idle", "iowait")


def keep_to_cores(count: int = THREADS) -> list[int]:
    """Keep this process and all that it starts to so many cores; gives their numbers."""
    cores = sorted(os.sched_getaffinity(0))[:count]
    os.sched_setaffinity(0, cores)
    return cores


def busy_seconds(statistics: str | None = None) -> float:
    """Seconds for which the cores of this process have been busy since the machine started, with anybody's work.

    Args:
        statistics: the text of ``/proc/stat``, if not that of now.
    """
    lines = (Path("/proc/stat").read_text() if statistics is None else statistics).splitlines()
    by_core = {name: counts for name, *counts in map(str.split, lines)}
    ticks = 0
    for core in os.sched_getaffinity(0):
        counts = dict(zip(_COLUMNS, map(int, by_core[f"cpu{core}"]), strict=False))
        ticks += sum(count for name, count in counts.items() if name not in _IDLE)
    return ticks / os.sysconf("SC_CLK_TCK")


class ShareOfOthers:
    """How much of the cores' time went to other programs since this was made."""

    def __init__(self) -> None:
        self._busy_before = busy_seconds()

    def share(self, own_seconds: float, wall_seconds: float) -> float:
        """Between 0 and 1; `own_seconds` is the processor time of the program itself."""
        busy = busy_seconds() - self._busy_before
        return min(1.0, max(0.0, (busy - own_seconds) / (wall_seconds * len(os.sched_getaffinity(0)))))

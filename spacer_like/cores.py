"""How many processor cores there are to work with."""

from __future__ import annotations

import math
import os
from functools import cache
from pathlib import Path

from spacer_like.config import settings

_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_UNLIMITED = "max"


def core_count() -> int:
    """The processor cores that this process may use: those it may run on, or fewer where its time is limited."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def thread_count() -> int:
    """How many threads compute: the setting TORCH_THREADS, else as many as there are cores."""
    return settings().torch_threads or core_count()


def library_thread_count() -> int | None:
    """How many threads a library is to use that counts the machine's cores; None: as many as it takes by itself.

    The setting TORCH_THREADS, else the cores where a quota allows fewer than the process may run on.
    """
    return settings().torch_threads or (None if _quota() is None else core_count())


@cache
def _quota() -> float | None:
    return cpu_quota()


def cpu_quota(control_groups: Path = _CONTROL_GROUPS, membership: Path = _MEMBERSHIP) -> float | None:
    """How many cores' time the control group of this process may use, as containers are limited; None: no limit.

    Args:
        control_groups: the folder where Linux shows control groups, of version 1 or 2.
        membership: the file that names this process's groups in lines of ID:CONTROLLERS:PATH.
    """
    try:
        lines = [line.split(":", 2) for line in membership.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError):
        lines = []
    # A container sees its own group as the root, and often a path that only holds outside of it.
    quotas = [_limit_of_version_2(control_groups), _limit_of_version_1(control_groups / "cpu")]
    for _, controllers, path in (line for line in lines if len(line) == 3):
        group = path.strip("/")
        for name in [group, *map(str, Path(group).parents)]:
            if not controllers:
                quotas.append(_limit_of_version_2(control_groups / name))
            elif "cpu" in controllers.split(","):
                quotas += [_limit_of_version_1(control_groups / place / name) for place in ("cpu", controllers)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _limit_of_version_2(group: Path) -> float | None:
    quota, _, period = (_read(group / "cpu.max") or _UNLIMITED).partition(" ")
    return None if quota == _UNLIMITED else _share(quota, period)


def _limit_of_version_1(group: Path) -> float | None:
    return _share(_read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us"))


def _share(quota: str, period: str) -> float | None:
    """Microseconds of a quota by those of its period; None where there is no limit, or no number."""
    if not (quota.isdecimal() and period.isdecimal() and int(quota) and int(period)):
        return None
    return int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""

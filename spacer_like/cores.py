"""The number of processor cores and threads to use."""

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
    """The number of processor cores that this process may use, by affinity and time quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def thread_count() -> int:
    """The number of computing threads: the setting TORCH_THREADS, else the number of cores."""
    return settings().torch_threads or core_count()


def library_thread_count() -> int | None:
    """The number of threads for a library that counts the machine's cores; None leaves the choice to it.

    The setting TORCH_THREADS, else the cores where a quota allows fewer than the process may run on.
    """
    return settings().torch_threads or (None if _quota() is None else core_count())


@cache
def _quota() -> float | None:
    return cpu_quota()


def cpu_quota(control_groups: Path = _CONTROL_GROUPS, membership: Path = _MEMBERSHIP) -> float | None:
    """The CPU quota of this process's control group, in cores; None without a limit.

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
                quotas += [_limit_of_version_1(control_groups / one / name) for one in ("cpu", controllers)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _limit_of_version_2(group: Path) -> float | None:
    quota, _, period = (_read(group / "cpu.max") or _UNLIMITED).partition(" ")
    return None if quota == _UNLIMITED else _share(quota, period)


def _limit_of_version_1(group: Path) -> float | None:
    return _share(_read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us"))


def _share(quota: str, period: str) -> float | None:
    """Quota divided by period, both in microseconds; None without a limit or a number."""
    if not (quota.isdecimal() and period.isdecimal() and int(quota) and int(period)):
        return None
    return int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""

"""The processes that this one has started, and that those have, as Linux lists them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def descendants() -> dict[int, str]:
    """The command line of each process that this one or those have started, by its id, parents first."""
    parents = {}
    for process in _processes():
        with suppress(OSError):
            parents[process] = int(_fields(process)[1])
    found: dict[int, str] = {}
    last = {os.getpid()}
    while last:
        last = {process for process, parent in parents.items() if parent in last}
        for process in sorted(last):
            with suppress(OSError):
                found[process] = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def processor_seconds() -> float:
    """The processor's time that this process and those have taken, with that of children that have ended."""
    ticks = 0
    for process in [os.getpid(), *descendants()]:
        with suppress(OSError):
            ticks += sum(map(int, _fields(process)[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _processes() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())


def _fields(process: int) -> list[str]:
    # After the command's name in brackets: the state, the parent, and so on.
    return Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()

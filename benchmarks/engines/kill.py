"""Kill processes at work in the middle of many requests, and print how many requests were not done.

usage: python -m benchmarks.engines.kill SIDE REQUESTS KILLS, where the side is local, futures, dask or bare-dask

Two work at once. Those of Dask belong to two workers that were started by Dask's own commands, of which each second
kill hits one, and each other kill a process that works for it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.engines.descendants import descendants
from benchmarks.engines.requests import make_requests
from benchmarks.engines.sides import Doing, do_one
from spacer_like.engines.dask_cluster import Dask
from spacer_like.engines.processes import Processes
from spacer_like.messages import ExtractFeaturesMsg

_WORKER = "spacer_like.engines.worker"
_DASK_WORKER = "multiprocessing.spawn"


@contextmanager
def local(folder: Path) -> Any:
    with Processes(2, apart=True) as engine:
        yield lambda requests: sum(outcome.status == "done" for _, outcome in engine.outcomes(requests))


@contextmanager
def futures(folder: Path) -> Any:
    with ProcessPoolExecutor(2) as pool:

        def do(requests: list[ExtractFeaturesMsg]) -> int:
            ended = []
            for one in requests:
                with suppress(Exception):
                    ended.append(pool.submit(do_one, one))
            return sum(one.exception() is None for one in ended)

        yield do


@contextmanager
def dask(folder: Path) -> Any:
    from tests.engines.dask_here import dask_cluster

    folder = folder / "dask"
    folder.mkdir()
    with dask_cluster(folder, 2) as address, Dask(address) as engine:
        yield lambda requests: sum(outcome.status == "done" for _, outcome in engine.outcomes(requests))


@contextmanager
def bare_dask(folder: Path) -> Any:
    import distributed

    from tests.engines.dask_here import dask_cluster

    folder = folder / "dask"
    folder.mkdir()
    with dask_cluster(folder, 2) as address, distributed.Client(address) as client:
        yield lambda requests: sum(
            one.status == "finished" for one in distributed.as_completed(client.map(do_one, requests, pure=False))
        )


SIDES: dict[str, Callable[[Path], AbstractContextManager[Doing]]] = {
    "local": local,
    "futures": futures,
    "dask": dask,
    "bare-dask": bare_dask,
}


def kill_one(side: str, number: int) -> bool:
    """Kill a process that works for the side; whether there was one."""
    words = {"local": _WORKER, "futures": "", "bare-dask": _DASK_WORKER}.get(
        side, _WORKER if number % 2 else _DASK_WORKER
    )
    for process, command in descendants().items():
        if words in command and "resource_tracker" not in command:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
                return True
    return False


class Killer(threading.Thread):
    """Kills as often as it is told to, each time so many results more are there."""

    def __init__(self, side: str, folder: Path, count: int, kills: int) -> None:
        super().__init__(daemon=True)
        self._side, self._folder, self._count, self._kills = side, folder, count, kills
        self.killed = 0
        self.is_over = False

    def run(self) -> None:
        for number in range(self._kills):
            enough = self._count * (number + 1) // (self._kills + 1)
            while len(list(self._folder.glob("*.npz"))) < enough:
                if self.is_over:
                    return
                time.sleep(0.005)
            while not self.is_over:
                if kill_one(self._side, number):
                    self.killed += 1
                    break
                time.sleep(0.005)


def main(side: str, count: str, kills: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        requests = list(make_requests(folder / "work", int(count), 1))
        with SIDES[side](folder) as do:
            killer = Killer(side, folder / "work", len(requests), int(kills))
            killer.start()
            started = time.perf_counter()
            done = do(requests)
            seconds = time.perf_counter() - started
            killer.is_over = True
            killer.join()
        stored = len(list((folder / "work").glob("*.npz")))
    answer = {"seconds": seconds, "lost": len(requests) - done, "stored": stored, "killed": killer.killed}
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])

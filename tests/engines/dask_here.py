"""A Dask cluster of its own processes on this machine, for the time of the tests."""

import json
import subprocess
import sys
import time
from contextlib import contextmanager


@contextmanager
def dask_cluster(folder, workers):
    """Start a scheduler and workers of one thread each; the scheduler's address."""
    file = folder / "scheduler.json"
    common = ["--scheduler-file", str(file), "--no-dashboard", "--host", "127.0.0.1"]
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", *common, "--port", "0"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", *common, "--nthreads", "1", "--local-directory"]
    with (folder / "log").open("wb") as log:
        started = [subprocess.Popen(scheduler, stdout=log, stderr=log)]
        try:
            wait_for(file.exists)
            started += [subprocess.Popen([*worker, str(folder)], stdout=log, stderr=log) for _ in range(workers)]
            address = json.loads(file.read_text())["address"]
            yield address
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait(30)


def wait_for(is_so):
    for _ in range(300):
        if is_so():
            return
        time.sleep(0.1)
    raise RuntimeError("The scheduler does not begin.")

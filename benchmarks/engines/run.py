"""Run requests by an engine, or without one, and print what each took besides the task itself.

usage: python -m benchmarks.engines.run SIDE WORKERS REQUESTS KIB, where results are of so many KiB

Those that keep their processes do a few requests before they are timed.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.engines.descendants import processor_seconds
from benchmarks.engines.requests import make_requests
from benchmarks.engines.sides import SIDES
from spacer_like.tasks import extract_features

_FEW = 30
_STARTS_ANEW = ("submitted", "batch", "slurm", "sbatch")


def main(side: str, workers: str, count: str, kib: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        few = list(make_requests(folder / "few", _FEW, int(kib)))
        requests = list(make_requests(folder / "many", int(count), int(kib)))
        for one in few[:10]:
            extract_features(one)
        cpu, started = time.process_time(), time.perf_counter()
        for one in few:
            extract_features(one)
        task_seconds = (time.perf_counter() - started) / _FEW
        task_cpu = (time.process_time() - cpu) / _FEW
        with SIDES[side](int(workers), folder) as do:
            if side not in _STARTS_ANEW:
                do(few)
            cpu, started = processor_seconds(), time.perf_counter()
            done = do(requests)
            seconds = (time.perf_counter() - started) / len(requests)
            cpu = (processor_seconds() - cpu) / len(requests)
        if done != len(requests):
            raise SystemExit(f"{done} of {len(requests)} requests were done.")
    answer = {
        "seconds": seconds,
        "overhead_seconds": seconds * int(workers) - task_seconds,
        "cpu_seconds_each": cpu,
        "overhead_cpu_seconds": cpu - task_cpu,
        "a_second": 1 / seconds,
        "submitter_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What runs requests: our engines, and what one would use without them. Each is a context that gives a function.

The function does requests and returns how many have succeeded. What a context starts stays for its next call.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from unittest.mock import patch

from benchmarks.engines.requests import local
from spacer_like.data_classes import ImageFeatures
from spacer_like.engines.base import Engine, Submission
from spacer_like.engines.batch import Batch
from spacer_like.engines.dask_cluster import Dask
from spacer_like.engines.detached import Detached
from spacer_like.engines.processes import Processes
from spacer_like.engines.scheduled import ScheduledSubmission, Sharding
from spacer_like.engines.slurm import Slurm
from spacer_like.messages import ExtractFeaturesMsg, ExtractFeaturesReturnMsg, JobMsg
from spacer_like.tasks import extract_features
from spacer_like.testing.local_batch import LocalBatch

Requests = Sequence[ExtractFeaturesMsg]
Doing = Callable[[Requests], int]
SHARD = 50
_SECONDS_BETWEEN_LOOKS = 0.2


def do_one(request: ExtractFeaturesMsg) -> ExtractFeaturesReturnMsg:
    """Do a request; unlike the task's function itself, pickle finds this one by its name."""
    return extract_features(request)


@contextmanager
def alone(workers: int, folder: Path) -> Iterator[Doing]:
    """The task's function, one call after the other."""
    yield lambda requests: sum(isinstance(extract_features(one), ExtractFeaturesReturnMsg) for one in requests)


@contextmanager
def our_processes(workers: int, folder: Path) -> Iterator[Doing]:
    with Processes(workers, apart=True) as engine:
        yield _by(engine)


@contextmanager
def our_dask(workers: int, folder: Path) -> Iterator[Doing]:
    with Dask(workers=workers) as engine:
        yield _by(engine)


@contextmanager
def futures(workers: int, folder: Path) -> Iterator[Doing]:
    """`concurrent.futures`: a pool of processes, and a future for each request."""
    with ProcessPoolExecutor(workers) as pool:

        def do(requests: Requests) -> int:
            ended = as_completed([pool.submit(do_one, one) for one in requests])
            return sum(one.exception() is None for one in ended)

        yield do


@contextmanager
def dask(workers: int, folder: Path) -> Iterator[Doing]:
    """A cluster that Dask makes here, and `Client.map`."""
    import distributed

    with (
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, local_directory=str(folder / "dask")
        ) as cluster,
        distributed.Client(cluster) as client,
    ):

        def do(requests: Requests) -> int:
            ended = distributed.as_completed(client.map(do_one, list(requests), pure=False))
            return sum(one.status == "finished" for one in ended)

        yield do


@contextmanager
def submitted(workers: int, folder: Path) -> Iterator[Doing]:
    """Processes that outlive the submitter."""
    yield _submitting(lambda place: Detached(local(place), workers), folder)


@contextmanager
def batch(workers: int, folder: Path) -> Iterator[Doing]:
    """Batch's rules on this machine, with children that are processes of the image's entry point."""
    with LocalBatch(at_once=workers) as client, patch.object(Batch, "seconds_between_queries", _SECONDS_BETWEEN_LOOKS):
        scheduler = Batch("queue", "definition", attempts=3, client=client)
        yield _submitting(lambda place: ScheduledSubmission(local(place), scheduler, Sharding(SHARD)), folder)


@contextmanager
def slurm(workers: int, folder: Path) -> Iterator[Doing]:
    """Arrays of a real Slurm, as many children at once as there are cores."""
    with slurm_here(folder):
        yield _submitting(lambda place: ScheduledSubmission(local(place), Slurm(), Sharding(SHARD)), folder)


@contextmanager
def sbatch(workers: int, folder: Path) -> Iterator[Doing]:
    """sbatch's arrays, whose elements do what stands in a file of their own."""
    with slurm_here(folder):
        yield lambda requests: _by_sbatch(requests, _new(folder))


SIDES: dict[str, Callable[[int, Path], AbstractContextManager[Doing]]] = {
    "alone": alone,
    "local": our_processes,
    "dask": our_dask,
    "submitted": submitted,
    "batch": batch,
    "slurm": slurm,
    "futures": futures,
    "bare-dask": dask,
    "sbatch": sbatch,
}


def _by(engine: Engine) -> Doing:
    return lambda requests: sum(outcome.status == "done" for _, outcome in engine.outcomes(requests))


def _submitting(made: Callable[[Path], Submission], folder: Path) -> Doing:
    def do(requests: Requests) -> int:
        submission = made(_new(folder))
        submission.submit(requests)
        wait_for(submission)
        return sum(outcome.status == "done" for _, outcome in submission.collect())

    return do


def wait_for(submission: Submission) -> None:
    """Wait until nothing works on it."""
    while submission.status().at_work:
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _new(folder: Path) -> Path:
    """A folder in it that is not there yet."""
    return folder / f"submission-{len(list(folder.glob('submission-*')))}"


@contextmanager
def slurm_here(folder: Path) -> Iterator[None]:
    """A Slurm of this machine, in a folder, for this process and those that it starts."""
    from tests.engines.slurm_here import slurm_in

    often = patch.object(Slurm, "seconds_between_queries", _SECONDS_BETWEEN_LOOKS)
    with slurm_in(folder / "slurm") as environment, patch.dict(os.environ, environment), often:
        yield


def _by_sbatch(requests: Requests, folder: Path) -> int:
    from tests.engines.slurm_here import MAX_ARRAY_SIZE

    folder.mkdir()
    shards = [requests[start : start + SHARD] for start in range(0, len(requests), SHARD)]
    for number, shard in enumerate(shards):
        JobMsg("extract_features", list(shard)).store(local(folder / f"{number}.json"))
    script = f"#!/bin/sh\nexec {sys.executable} -m benchmarks.engines.sides {folder} $FIRST\n"
    for first in range(0, len(shards), MAX_ARRAY_SIZE):
        last = min(MAX_ARRAY_SIZE, len(shards) - first) - 1
        subprocess.run(
            ["sbatch", f"--array=0-{last}", f"--output={os.devnull}", f"--export=ALL,FIRST={first}"],
            input=script.encode(),
            stdout=subprocess.DEVNULL,
            check=True,
        )
    while subprocess.run(["squeue", "--noheader"], capture_output=True, check=True).stdout.strip():
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return sum(len(ImageFeatures.load(one.feature_loc).rowcols) > 0 for one in requests)


def main(folder: str, first: str) -> None:
    """As an element of sbatch's array: do one shard, and write what came of it."""
    number = int(first) + int(os.environ["SLURM_ARRAY_TASK_ID"])
    answers = [extract_features(one).serialize() for one in JobMsg.load(local(Path(folder) / f"{number}.json")).tasks]
    (Path(folder) / f"{number}.answers").write_text(json.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])

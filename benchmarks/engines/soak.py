"""Run requests of which every twentieth meets a fault by an engine, and print what became of them.

usage: python -m benchmarks.engines.soak ENGINE WORKERS REQUESTS, where the engine is one of `SIDES`' first

Of a hundred requests one kills the process that works on it, two read an image that is not there, and two work on an
S3 whose first answer about each object is an error, cut off, or lost. Besides, one child of Batch in twenty is killed.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from benchmarks.engines.requests import local, make_requests
from benchmarks.engines.sides import SHARD, slurm_here, wait_for
from benchmarks.storage import BUCKET, KEY, SECRET, free_port, serving
from spacer_like import config
from spacer_like.engines.base import Engine, Submission
from spacer_like.engines.batch import Batch
from spacer_like.engines.dask_cluster import Dask
from spacer_like.engines.detached import Detached
from spacer_like.engines.processes import Processes
from spacer_like.engines.scheduled import ScheduledSubmission, Sharding
from spacer_like.engines.slurm import Slurm
from spacer_like.extractors.base import DummyExtractor
from spacer_like.location import DataLocation
from spacer_like.messages import ExtractFeaturesMsg, TaskOutcome
from spacer_like.testing.extractors import Unruly
from spacer_like.testing.fault_proxy import FaultProxy, Faults
from spacer_like.testing.local_batch import LocalBatch

_HUNDRED = {17: "kills", 13: "S3", 63: "S3", 37: "misses", 57: "misses"}
_OF_S3 = Faults(slow_down=0.25, reset=0.25, lost=0.25, cut=0.25)
_PREFIX = "spacer_like.testing.extractors"
_ROUNDS = 3
Outcomes = dict[int, TaskOutcome]


class Place(NamedTuple):
    """Where requests work: a folder of this machine, and the folder of it that S3 serves as a bucket."""

    folder: Path
    bucket: Path


def faulty_requests(place: Place, count: int) -> list[ExtractFeaturesMsg]:
    """The requests; see above for what every twentieth does."""
    image = place.folder / "image.png"
    return [_faulty(one, number, place) for number, one in enumerate(make_requests(image.parent, count, 1))]


def _faulty(one: ExtractFeaturesMsg, number: int, place: Place) -> ExtractFeaturesMsg:
    match _HUNDRED.get(number % 100):
        case "kills":
            # One that dies twice and has died once already dies once.
            folder = place.folder / f"kills-{number}"
            folder.mkdir()
            (folder / "died-0").touch()
            return one.model_copy(update={"extractor": Unruly(does="die twice", folder=str(folder))})
        case "misses":
            return one.model_copy(update={"image_loc": local(place.folder / f"missing-{number}.png")})
        case "S3":
            (place.bucket / f"{number}.png").write_bytes((place.folder / "image.png").read_bytes())
            places = {"image_loc": f"{number}.png", "feature_loc": f"{number}.npz"}
            return one.model_copy(update={name: DataLocation("s3", key, BUCKET) for name, key in places.items()})
    return one


@contextmanager
def faulty_s3(folder: Path) -> Iterator[FaultProxy]:
    """An S3 that serves a folder, of which the settings of this process and of those that it starts know."""
    port = free_port()
    (folder / BUCKET).mkdir(parents=True)
    with (
        serving(folder, port, Path(sys.executable).with_name("rclone")),
        FaultProxy(f"http://127.0.0.1:{port}", _OF_S3) as proxy,
    ):
        proxy.choose = lambda method, path, number: _OF_S3.choose(method, path, 0) if number == 0 else None
        values = {
            "aws_access_key_id": KEY,
            "aws_secret_access_key": SECRET,
            "aws_region": "us-east-1",
            "aws_endpoint_url": proxy.url,
        }
        named = {f"SPACER_{name.upper()}": value for name, value in values.items()}
        named["SPACER_ALLOWED_CLASS_PREFIXES"] = _PREFIX
        with patch.dict(os.environ, named), config.override(**values, allowed_class_prefixes=(_PREFIX,)):
            yield proxy


def by_engine(engine: Engine, requests: list[ExtractFeaturesMsg]) -> tuple[Outcomes, int]:
    """The outcomes, once what failed for now has been done again, and how many that were."""
    with engine:
        ended: Outcomes = dict(engine.outcomes(requests))
        again = [index for index, outcome in ended.items() if outcome.transient]
        for position, outcome in engine.outcomes([requests[index] for index in again]):
            ended[again[position]] = outcome
    return ended, len(again)


def by_submission(submission: Submission, requests: list[ExtractFeaturesMsg]) -> tuple[Outcomes, int]:
    """As `by_engine`; what failed for good is done again with the rest, and fails again."""
    submission.submit(requests)
    again = 0
    for _ in range(_ROUNDS):
        wait_for(submission)
        ended: Outcomes = dict(submission.collect())
        unfinished = len(requests) - sum(not outcome.transient for outcome in ended.values())
        if not unfinished:
            break
        again += unfinished
        submission.retry_failed()
    return ended, again


def run(name: str, workers: int, requests: list[ExtractFeaturesMsg], folder: Path) -> tuple[Outcomes, int]:
    """Run the requests by the engine of a name."""
    with ExitStack() as stack:
        match name:
            case "local":
                return by_engine(Processes(workers, apart=True), requests)
            case "dask":
                return by_engine(Dask(workers=workers), requests)
            case "submitted":
                return by_submission(Detached(local(folder), workers), requests)
            case "batch":
                client = stack.enter_context(LocalBatch(workers, seed=1, kill=0.05))
                stack.enter_context(patch.object(Batch, "seconds_between_queries", 0.5))
                scheduler: Batch | Slurm = Batch("queue", "definition", attempts=3, client=client)
            case "slurm":
                stack.enter_context(slurm_here(folder.parent))
                scheduler = Slurm()
        return by_submission(ScheduledSubmission(local(folder), scheduler, Sharding(SHARD)), requests)


def judged(requests: list[ExtractFeaturesMsg], ended: Outcomes, place: Place) -> Counter[str]:
    """How many requests were done, failed as they must, are lost, or ended otherwise than they must."""
    counts: Counter[str] = Counter(done=0, failed=0, lost=0, wrong=0)
    for index, request in enumerate(requests):
        outcome = ended.get(index)
        if outcome is None or outcome.transient:
            counts["lost"] += 1
        elif _HUNDRED.get(index % 100) == "misses":
            is_right = outcome.error_class == "spacer_like.exceptions.DataNotFoundError"
            counts["failed" if is_right else "wrong"] += 1
        else:
            counts["done" if outcome.status == "done" and _is_right(request, place) else "wrong"] += 1
    return counts


def _is_right(request: ExtractFeaturesMsg, place: Place) -> bool:
    loc = request.feature_loc
    path = place.bucket / loc.key if loc.storage_type == "s3" else Path(loc.key)
    # Without what it does besides.
    features = DummyExtractor.__call__(request.extractor, None, request.rowcols)[0]
    return path.exists() and path.read_bytes() == features.to_bytes()


def main(name: str, workers: str, count: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        place = Place(folder / "work", folder / "s3" / BUCKET)
        with faulty_s3(folder / "s3") as proxy:
            requests = faulty_requests(place, int(count))
            started = time.perf_counter()
            ended, again = run(name, int(workers), requests, folder / "submission")
            seconds = time.perf_counter() - started
        counts = judged(requests, ended, place)
        died = len(list(place.folder.glob("kills-*/died-[1-9]*")))
        answer = {"seconds": seconds, **counts, "again": again, "died": died, "s3_faults": proxy.happened.total()}
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])

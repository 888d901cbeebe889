"""Reading many small objects from an S3 endpoint, against boto3, one after the other."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import OURS, Comparison, Figure, Target
from benchmarks.measures import Measure
from benchmarks.processes import Command
from spacer_like.data_classes import ImageFeatures

BOTO3 = "boto3, one after the other"
PYSPACERS_CALLS = "boto3, as PySpacer calls it"
OBJECTS = 1000
BUCKET = "features"
KEY, SECRET = "benchmark", "not-a-secret"
SECONDS_TO_START = 20


def reading_many(python: Path, feature_files: Path, folder: Path, points: int) -> Measure:
    """Read feature files from `rclone serve s3`, which runs on the same cores.

    Args:
        python: the interpreter of our environment, which has rclone beside it.
        feature_files: a folder of .npz files; each stands in the bucket as often as it takes to make OBJECTS.
        folder: what the server serves.
        points: how many of its points each file keeps: with more, server and memory bound both readers alike.
    """
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"

    def command(side: str) -> Command:
        settings = {
            "SPACER_AWS_ACCESS_KEY_ID": KEY,
            "SPACER_AWS_SECRET_ACCESS_KEY": SECRET,
            "SPACER_AWS_REGION": "us-east-1",
            "SPACER_AWS_ENDPOINT_URL": endpoint,
        }
        return Command(python, ("-m", "benchmarks.read_objects", side, BUCKET, str(OBJECTS)), settings)

    @contextmanager
    def server() -> Iterator[None]:
        _fill(folder / BUCKET, feature_files, points)
        with serving(folder, port, python.with_name("rclone")):
            yield

    ours = command("spacer_like")
    about = f"{OBJECTS:,} feature files of {points} points from an S3 endpoint"
    return Measure(
        name=f"read-s3-{points}",
        sides={OURS: ours, BOTO3: command("boto3"), PYSPACERS_CALLS: command("pyspacer")},
        before=[ours],
        figures=[
            Figure(f"{about}: reading", "task_seconds", target=Target(Comparison.TIMES_LESS, 5), other=BOTO3),
            Figure(f"{about}: reading, as PySpacer does", "task_seconds", other=PYSPACERS_CALLS),
            Figure(f"{about}: whole process", "wall_seconds", other=BOTO3),
            Figure(f"{about}: peak memory", "peak_mib", "MiB", other=BOTO3),
        ],
        surroundings=server,
    )


@contextmanager
def serving(folder: Path, port: int, rclone: Path) -> Iterator[None]:
    """Serve a folder, whose folders are buckets, by rclone as an S3 endpoint of this machine."""
    process = subprocess.Popen(
        [
            *(rclone, "serve", "s3", folder, "--addr", f"127.0.0.1:{port}"),
            *("--auth-key", f"{KEY},{SECRET}", "--vfs-cache-mode", "off", "--config", os.devnull),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        yield
    finally:
        process.terminate()
        process.wait()


def _fill(bucket: Path, feature_files: Path, points: int) -> None:
    if bucket.exists():
        return
    kept = []
    for source in sorted(feature_files.glob("*.npz")):
        features = ImageFeatures.from_bytes(source.read_bytes(), source.name)
        kept.append(ImageFeatures.from_arrays(features.rowcols[:points], features.features[:points]).to_bytes())
    unfinished = bucket.with_name(f"{bucket.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for number in range(OBJECTS):
        (unfinished / f"{number}.npz").write_bytes(kept[number % len(kept)])
    unfinished.rename(bucket)


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)

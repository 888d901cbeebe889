"""What is measured of cutting scenes, and what each figure should come to."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.chips.folders import Folders
from benchmarks.chips.material import Material, program
from benchmarks.figures import OURS, Comparison, Figure, Target
from benchmarks.measures import Measure
from benchmarks.processes import Command
from benchmarks.storage import KEY, SECRET, free_port, serving, wait_for

RIO_TILER = "rio-tiler"
TORCHGEO = "torchgeo"
ASYNC_GEOTIFF = "async-geotiff"
BUCKET = "scenes"
DELAY = 0.05
"""Seconds from a request of a remote scene to its arrival."""
MEGABYTES_300 = 300e6 / 2**20
_ABOUT = {
    "pixels": "windows of a scene, values as they are",
    "jpeg": "windows of a scene as JPEG of three bands",
    "ard": "a scene warped to cells of its zone",
    "xyz": "a scene warped to Web Mercator",
}
# What its users set for files that are far away.
_GDAL = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
    "VSI_CACHE": "TRUE",
}


class SceneMeasures:
    """The measures of scenes; `peers` is the Python of an environment with torchgeo and async-geotiff, if there is
    one."""

    def __init__(self, folders: Folders, python: Path, material: Material, peers: Path | None) -> None:
        self.folders, self.python, self.material, self.peers = folders, python, material, peers

    def all(self) -> list[Measure]:
        return [
            self.cutting("pixels", 512, 3, with_torchgeo=True),
            self.cutting("pixels", 1024, 3),
            self.cutting("jpeg", 512, 3),
            self.cutting("ard", 512, 2),
            self.cutting("xyz", 512, 2),
            self.far(),
        ]

    def cutting(self, kind: str, block: int, bound: float, with_torchgeo: bool = False) -> Measure:
        name = f"chips-scene-{kind}-{block}"
        sides = {OURS: self._side(name, "ours", kind, *self.folders.scene(block))}
        sides[RIO_TILER] = self._side(name, RIO_TILER, kind, *self.folders.scene(block))
        if with_torchgeo and self.peers is not None:
            sides[TORCHGEO] = self._side(name, TORCHGEO, kind, *self.folders.scene(block))
        about = f"{_ABOUT[kind]}, blocks of {block}"
        least = Target(Comparison.TIMES_LESS, bound)
        others = list(sides)[1:]
        return Measure(
            name=name,
            sides=sides,
            figures=[
                *(
                    Figure(f"{about}: processor time of a chip", "cpu_seconds_each", "ms", least, other=other)
                    for other in others
                ),
                Figure(f"{about}: the task", "task_seconds", other=RIO_TILER),
                Figure(f"{about}: processor time of the whole process", "cpu_seconds", other=RIO_TILER),
                Figure(
                    f"{about}: peak memory",
                    "peak_mib",
                    "MiB",
                    Target(Comparison.ALONE, MEGABYTES_300),
                    other=RIO_TILER,
                ),
                Figure(f"{about}: chips", "chips", "", other=RIO_TILER),
            ],
            material=self.material.scenes,
        )

    def far(self) -> Measure:
        """A scene in a bucket to which each request takes `DELAY`."""
        near, port = free_port(), free_port()
        endpoint = f"http://127.0.0.1:{port}"
        settings = {
            OURS: {
                "SPACER_AWS_ACCESS_KEY_ID": KEY,
                "SPACER_AWS_SECRET_ACCESS_KEY": SECRET,
                "SPACER_AWS_REGION": "us-east-1",
                "SPACER_AWS_ENDPOINT_URL": endpoint,
            },
            RIO_TILER: {
                "AWS_ACCESS_KEY_ID": KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET,
                "AWS_REGION": "us-east-1",
                "AWS_S3_ENDPOINT": f"127.0.0.1:{port}",
                "AWS_HTTPS": "NO",
                "AWS_VIRTUAL_HOSTING": "FALSE",
                **_GDAL,
            },
        }
        settings[ASYNC_GEOTIFF] = {**settings[RIO_TILER], "ENDPOINT": endpoint}
        folder = self.folders.work / "bucket"

        @contextmanager
        def server() -> Iterator[None]:
            if not folder.exists():
                (folder / BUCKET).mkdir(parents=True)
                for path, key in zip(self.folders.far_scene, ("far.tif", "few.tif"), strict=True):
                    shutil.copy(path, folder / BUCKET / key)
            with serving(folder, near, self.python.with_name("rclone")):
                arguments = ("-m", "benchmarks.chips.delay", str(port), str(near), str(DELAY))
                delay = subprocess.Popen([self.python, *arguments])
                try:
                    wait_for(port)
                    yield
                finally:
                    delay.terminate()
                    delay.wait()

        sides = [OURS, RIO_TILER, *([ASYNC_GEOTIFF] if self.peers is not None else [])]
        about = f"windows of a remote scene, {DELAY * 1000:.0f} ms away"
        least = Target(Comparison.TIMES_LESS, 3)
        return Measure(
            name="chips-scene-far",
            sides={side: self._far_side(side, settings[side]) for side in sides},
            figures=[
                *(
                    Figure(
                        f"{about}: time of a chip",
                        "seconds_each",
                        "ms",
                        least if other == RIO_TILER else None,
                        other=other,
                    )
                    for other in sides[1:]
                ),
                Figure(f"{about}: processor time of a chip", "cpu_seconds_each", "ms", other=RIO_TILER),
                Figure(f"{about}: peak memory", "peak_mib", "MiB", other=RIO_TILER),
            ],
            surroundings=server,
            material=self.material.scenes,
        )

    def _far_side(self, side: str, settings: Mapping[str, str]) -> Command:
        if side == OURS:
            command = self._side("chips-scene-far", "ours", "pixels", "far.tif", "few.tif", BUCKET)
        else:
            uris = [f"s3://{BUCKET}/{key}" for key in ("far.tif", "few.tif")]
            command = self._side("chips-scene-far", side, "pixels", *uris)
        return replace(command, environment=settings)

    def _side(self, name: str, side: str, kind: str, scene: object, few: object, *more: str) -> Command:
        output = self.folders.output(f"{name}-{side}")
        if side == "ours":
            command = program(self.python, "cut_scene", scene, few, output, kind, *more)
        else:
            python = self.python if side == RIO_TILER or self.peers is None else self.peers
            command = program(python, "cut_scene_by_peers", side, scene, few, output, kind)
        return replace(command, without=output)

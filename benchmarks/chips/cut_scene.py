"""Cut a scene into chips by the task `cut_raster`.

usage: python -m benchmarks.chips.cut_scene SCENE SMALL_SCENE FOLDER pixels|jpeg|xyz|ard [BUCKET]

Scenes are paths, or with BUCKET keys. Chips have 256 pixels, all bands and the scene's own values, as .npy; of `jpeg`
they are windows of three bands, whose values become bytes.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from spacer_like.chips.messages import CutRasterMsg, CutRasterReturnMsg
from spacer_like.data_classes import DataLocation

SIZE = 256
ZOOMS = {"xyz": 13, "ard": 13}
BANDS = (3, 2, 1)
RANGE = (0, 3000)
QUALITY = 75


def cut(scene: DataLocation, folder: Path, kind: str) -> CutRasterReturnMsg:
    from spacer_like.chips.tasks.rasters import cut_raster

    if kind == "jpeg":
        values: dict[str, Any] = {
            "bands": [str(band) for band in BANDS],
            "value_range": list(RANGE),
            "quality": QUALITY,
        }
    else:
        values = {"dtype": "source", "format": "npy"}
    grid: Any = "pixels" if kind == "jpeg" else kind
    return cut_raster(
        CutRasterMsg(
            raster_loc=scene,
            chips_loc=DataLocation("filesystem", str(folder)),
            manifest_loc=DataLocation("filesystem", str(folder / "manifest.parquet")),
            grid=grid,
            size=SIZE,
            zoom=ZOOMS.get(kind),
            **values,
            wanted="all_data",
        )
    )


def main(scene: str, small: str, folder: Path, kind: str, bucket: str | None = None) -> None:
    def at(key: str) -> DataLocation:
        return DataLocation("filesystem", key) if bucket is None else DataLocation("s3", key, bucket)

    # What is imported on use is loaded before the clock runs.
    cut(at(small), folder / "few", kind)
    started, cpu_started = time.perf_counter(), time.process_time()
    made = cut(at(scene), folder / "chips", kind)
    cpu_seconds, seconds = time.process_time() - cpu_started, time.perf_counter() - started
    answer = {
        "chips": made.n_chips,
        "task_seconds": seconds,
        "task_cpu_seconds": cpu_seconds,
        "cpu_seconds_each": cpu_seconds / made.n_chips,
        "seconds_each": seconds / made.n_chips,
        "chips_per_cpu_second": made.n_chips / cpu_seconds,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), *sys.argv[4:])

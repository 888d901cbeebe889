"""Merge the histograms of many collections: as a task, or step by step.

usage: python -m benchmarks.rarity.merge_histograms task|steps HISTOGRAMS_FOLDER MERGED
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def as_task(paths: list[Path], merged: Path) -> dict[str, float]:
    from spacer_like.data_classes import DataLocation
    from spacer_like.rarity.messages import MergeHistogramsMsg
    from spacer_like.rarity.tasks.histograms import merge_histograms

    message = MergeHistogramsMsg(
        histogram_locs=[DataLocation("filesystem", str(path)) for path in paths],
        merged_loc=DataLocation("filesystem", str(merged)),
    )
    started = time.perf_counter()
    answer = merge_histograms(message)
    seconds = time.perf_counter() - started
    return {"task_seconds": seconds, "images": answer.n_images, "merged_mib": merged.stat().st_size / 2**20}


def step_by_step(paths: list[Path], merged: Path) -> dict[str, float]:
    """Seconds a collection of reading it and of adding it, and those that the sum's file took at the end."""
    from spacer_like.rarity.histogram import HistogramSum
    from spacer_like.rarity.histogram_file import from_parquet, to_parquet

    first = from_parquet(paths[0].read_bytes(), paths[0].name)
    # The first time loads the compiled functions.
    HistogramSum(first.header).add(first)
    total = HistogramSum(first.header)
    reading = adding = 0.0
    for path in paths:
        started = time.perf_counter()
        histogram = from_parquet(path.read_bytes(), path.name)
        read = time.perf_counter()
        total.add(histogram)
        adding += time.perf_counter() - read
        reading += read - started
    started = time.perf_counter()
    merged.write_bytes(to_parquet(total))
    return {
        "reading_seconds_each": reading / len(paths),
        "adding_seconds_each": adding / len(paths),
        "writing_seconds": time.perf_counter() - started,
        "histogram_mib": sum(path.stat().st_size for path in paths) / len(paths) / 2**20,
    }


def main(what: str, folder: Path, merged: Path) -> None:
    merged.parent.mkdir(parents=True, exist_ok=True)
    paths = sorted(folder.iterdir())
    print(json.dumps(as_task(paths, merged) if what == "task" else step_by_step(paths, merged)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))

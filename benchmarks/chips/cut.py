"""Cut a tile into chips by the task `chip_tile`.

usage: python -m benchmarks.chips.cut TILE SMALL_TILE FOLDER [--zoom 17] [--wanted partial_data] [--unwritten]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from spacer_like.chips.messages import ChipTileMsg, ChipTileReturnMsg
from spacer_like.data_classes import DataLocation


def cut(tile: Path, folder: Path, options: argparse.Namespace) -> ChipTileReturnMsg:
    """Cut the chips of a tile and write the manifest."""
    from spacer_like.chips.tasks.tiles import chip_tile

    return chip_tile(
        ChipTileMsg(
            tile_loc=DataLocation("filesystem", str(tile)),
            manifest_loc=DataLocation("filesystem", str(folder / "manifest.parquet")),
            chips_loc=None if options.unwritten else DataLocation("filesystem", str(folder)),
            zoom=options.zoom,
            wanted=options.wanted,
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tile", type=Path)
    parser.add_argument("small_tile", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--zoom", type=int, default=17)
    parser.add_argument("--unwritten", action="store_true")
    parser.add_argument("--wanted", default="partial_data")
    options = parser.parse_args()
    # What is imported on use is loaded before the clock runs.
    cut(options.small_tile, options.folder / "few", options)
    started, cpu_started = time.perf_counter(), time.process_time()
    made = cut(options.tile, options.folder / "chips", options)
    cpu_seconds, seconds = time.process_time() - cpu_started, time.perf_counter() - started
    answer = {
        "chips": made.n_chips,
        "all_data": made.n_all_data,
        "partial_data": made.n_partial_data,
        "no_data": made.n_no_data,
        "task_seconds": seconds,
        "task_cpu_seconds": cpu_seconds,
        "cpu_seconds_each": cpu_seconds / made.n_chips,
        "chips_per_cpu_second": made.n_chips / cpu_seconds,
        "chip_bytes": made.n_bytes / made.n_chips,
        "manifest_bytes": (options.folder / "chips" / "manifest.parquet").stat().st_size,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()

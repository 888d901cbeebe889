"""Make the label table of one cell of zoom 12: what each of its 1,024 chips shows.

usage: python -m benchmarks.chips.join_labels MAP FOLDER
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from spacer_like.chips.messages import BuildLabelTableMsg
from spacer_like.data_classes import DataLocation


def main(map_folder: Path, folder: Path) -> None:
    from spacer_like.chips.tasks.label_tables import build_label_table

    def at(path: Path) -> DataLocation:
        return DataLocation("filesystem", str(path))

    started, cpu_started = time.perf_counter(), time.process_time()
    made = build_label_table(
        BuildLabelTableMsg(
            index_loc=at(map_folder / "index.json"),
            ard_loc=at(map_folder / "ard"),
            labels_loc=at(map_folder / "labels.json"),
            sparse_locs=[at(folder / "sparse.parquet")],
            dense_locs=[at(folder / "dense.csv")],
            records_locs=[at(folder / "records.parquet")],
        )
    )
    cpu_seconds, seconds = time.process_time() - cpu_started, time.perf_counter() - started
    answer = {
        "task_seconds": seconds,
        "task_cpu_seconds": cpu_seconds,
        "chips": made.n_chips,
        "elements": made.n_elements,
        "labels_given": sum(made.counts.values()),
        "table_bytes": sum(path.stat().st_size for path in folder.iterdir()),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

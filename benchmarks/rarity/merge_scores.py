"""Merge score tables, as a task.

usage: python -m benchmarks.rarity.merge_scores SCORES_FOLDER MERGED TOP TOP_ROWS
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main(folder: Path, merged: Path, top: Path, top_rows: int) -> None:
    from spacer_like.data_classes import DataLocation
    from spacer_like.rarity.messages import MergeScoresMsg
    from spacer_like.rarity.tasks.tables import merge_scores

    merged.parent.mkdir(parents=True, exist_ok=True)
    message = MergeScoresMsg(
        scores_locs=[DataLocation("filesystem", str(path)) for path in sorted(folder.glob("*.csv"))],
        merged_locs=[DataLocation("filesystem", str(merged))],
        top_loc=DataLocation("filesystem", str(top)),
        top_rows=top_rows,
    )
    started = time.perf_counter()
    answer = merge_scores(message)
    seconds = time.perf_counter() - started
    print(json.dumps({"task_seconds": seconds, "rows": answer.n_rows, "megabytes": merged.stat().st_size / 1e6}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))

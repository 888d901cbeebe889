"""Merge score tables as a loop over pandas does; this program needs pandas and nothing else.

usage: python -m benchmarks.rarity.pandas_loop SCORES_FOLDER MERGED TOP TOP_ROWS
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main(folder: Path, merged: Path, top: Path, top_rows: int) -> None:
    import pandas

    merged.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    tables = [pandas.read_csv(path) for path in sorted(folder.glob("*.csv"))]
    table = pandas.concat(tables, ignore_index=True)
    table = table.sort_values("pixelScore", ascending=False).reset_index(drop=True)
    table["pixelRank"] = table.index + 1
    table.to_csv(merged, index=False)
    table.head(top_rows).to_csv(top, index=False)
    seconds = time.perf_counter() - started
    print(json.dumps({"task_seconds": seconds, "rows": len(table), "megabytes": merged.stat().st_size / 1e6}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))

"""Write the scores of many images by 50 models as a SQLite database and as a manifest.

usage: python -m benchmarks.tags.write_scores ours|row-by-row IMAGES FOLDER

``row-by-row`` commits each row, of a few of them.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.tags.folders import TAGS
from spacer_like.embeddings.embeddings_table import ImageRecord
from spacer_like.location import DataLocation
from spacer_like.tables.writing import growing_table
from spacer_like.tags.scored_images import STAGE_3, ScoredBy, ScoredImages, manifest_schema
from spacer_like.tags.sqlite_tables import write_database

COMMITTED_ROWS = 200


def scored(count: int) -> ScoredImages:
    """Images with scores of 50 tags."""
    random = np.random.default_rng(10_000)
    records = [
        ImageRecord(
            f"/photographs/{number % 97:02}/{number:06}.jpg",
            random.bytes(64).hex(),
            random.bytes(64).hex(),
            "JPEG",
            200_000,
            1600,
            1200,
        )
        for number in range(count)
    ]
    models = [ScoredBy("ovr-logistic-regression", f"tag {number:02}", 0.6, 0.4) for number in range(TAGS)]
    return ScoredImages(records, models, random.beta(0.3, 2, (count, TAGS)))


def ours(images: ScoredImages, folder: Path) -> dict[str, float]:
    database = DataLocation("filesystem", str(folder / "stage3.db"))
    manifest = DataLocation("filesystem", str(folder / "manifest.parquet"))
    started = time.perf_counter()
    rows = write_database(database, STAGE_3, images.rows())
    in_database = time.perf_counter() - started
    files = [[""] * len(images.models)] * len(images.records)
    with growing_table(manifest_schema(), [manifest]) as append:
        for table in images.manifest(files):
            append(table)
    return {
        "rows": rows,
        "seconds_each_row": in_database / rows,
        "database_seconds": in_database,
        "manifest_seconds": time.perf_counter() - started - in_database,
        "database_bytes": Path(database.key).stat().st_size,
        "manifest_bytes": Path(manifest.key).stat().st_size,
    }


def row_by_row(images: ScoredImages, folder: Path) -> dict[str, float]:
    """As one writes it down: a commit after each row, which SQLite waits for until the disk has it."""
    with closing(sqlite3.connect(folder / "stage3.db")) as database:
        STAGE_3.create(database)
        database.commit()
        started = time.perf_counter()
        for row in islice(images.rows(), COMMITTED_ROWS):
            database.execute(STAGE_3.insertion, row)
            database.commit()
        seconds = time.perf_counter() - started
    rows = len(images.records) * len(images.models)
    return {"seconds_each_row": seconds / COMMITTED_ROWS, "database_seconds": seconds / COMMITTED_ROWS * rows}


SIDES = {"ours": ours, "row-by-row": row_by_row}


def main(side: str, count: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    print(json.dumps(SIDES[side](scored(count), folder)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))

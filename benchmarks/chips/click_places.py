"""Look for places by five clicks, as a person does who knows the map; and rank 100,000 vectors.

For each label that at least 300 chips have, ten times: the first click is a yes to any chip that has it. Then, after
each answer, 24 pictures of the ranking, those before the 250th, are looked at: the first chip among them that lacks the
label is given a no, or where there are as many no as yes already, or none lacks it, the first that has it a yes.
Counted is how many of the best 250 chips without an answer have the label. For comparison: the 250 chips nearest to
the first one.

usage: python -m benchmarks.chips.click_places PLACES VECTORS
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.chips.folders import CLICKS, COUNTED
from spacer_like.chips.places_by_example.ranking import PlaceRanker, unmarked, vectors_of
from spacer_like.embeddings import MergedEmbeddings, read_embeddings

PAGE = 24
FEWEST, REPEATS = 300, 10
WIDTH = 1280
"""Numbers of a vector of EfficientNet-Lite0."""


def clicked(ranker: PlaceRanker, has_label: NDArray[np.bool_], first: int) -> NDArray[np.int64]:
    """The chips without an answer after five, the best first."""
    yes, no = [first], []
    while True:
        order = unmarked(ranker.rank(yes, no), [*yes, *no])
        if len(yes) + len(no) == CLICKS:
            return order
        page = order[COUNTED - PAGE : COUNTED]
        right, wrong = page[has_label[page]], page[~has_label[page]]
        if len(wrong) and (len(no) < len(yes) or not len(right)):
            no.append(int(wrong[0]))
        else:
            yes.append(int(right[0]))


def precision(places: Path) -> dict[str, float]:
    with (places / "embeddings.safetensors").open("rb") as file:
        merged = MergedEmbeddings([read_embeddings(file, "embeddings")])
    vectors = vectors_of(merged)
    ranker = PlaceRanker(vectors)
    table = pq.read_table(places / "labels.parquet")
    rows = {chip: row for row, chip in enumerate(table["Feature"].to_pylist())}
    order = [rows[name] for name in merged.names]
    found: dict[str, float] = {"chips": len(vectors)}
    by_clicks, by_likeness = [], []
    for label in table.column_names[1:]:
        has_label = table[label].to_numpy()[order].astype(bool)
        if has_label.sum() < FEWEST:
            continue
        firsts = np.random.default_rng(17).choice(np.flatnonzero(has_label), REPEATS, replace=False)
        shares = [has_label[clicked(ranker, has_label, int(first))[:COUNTED]].mean() for first in firsts]
        nearest = np.argsort(-(vectors @ vectors[firsts].T), axis=0, kind="stable")[1 : COUNTED + 1]
        found[f"precision_{label}"] = float(np.mean(shares))
        found[f"share_{label}"] = float(has_label.mean())
        by_clicks.append(np.mean(shares))
        by_likeness.append(has_label[nearest].mean())
    found["precision"] = float(np.mean(by_clicks))
    found["precision_by_likeness"] = float(np.mean(by_likeness))
    return found


def seconds(count: int) -> dict[str, float]:
    random = np.random.default_rng(5)
    vectors = random.standard_normal((count, WIDTH), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ranker = PlaceRanker(vectors)
    times = []
    for _ in range(11):
        chips = random.choice(count, CLICKS, replace=False).tolist()
        started = time.perf_counter(), time.process_time()
        ranker.rank(chips[:3], chips[3:])
        times.append((time.perf_counter() - started[0], time.process_time() - started[1]))
    walls, processor = np.array(times[1:]).T
    return {
        "answer_seconds": float(np.median(walls)),
        "slowest_answer_seconds": float(walls.max()),
        "answer_cpu_seconds": float(np.median(processor)),
    }


def main(places: Path, count: int) -> None:
    print(json.dumps(precision(places) | seconds(count)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

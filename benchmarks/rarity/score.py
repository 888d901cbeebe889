"""Score decoded images against a table in memory: of their collection, or a global one of many images.

usage: python -m benchmarks.rarity.score log|all|loop local|global STACK
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from spacer_like.rarity.histogram import Histogram
    from spacer_like.rarity.messages import Method

ROUNDS = 3
# Each image counted so often makes a table of as many images as a global one has; the shares, and the score log, stay.
TIMES = {"local": 1, "global": 1000}


def histogram_of(stack: NDArray[np.uint8]) -> Histogram:
    from spacer_like.rarity.histogram import Header, HistogramBuilder

    builder = HistogramBuilder(Header(size=stack.shape[1], resample="bicubic", background="drop"))
    builder.add(stack)
    return builder.histogram("benchmark")


def by_spacer_like(stack: NDArray[np.uint8], methods: list[Method], times: int) -> dict[str, float]:
    """The first round loads the compiled functions and is not counted."""
    from spacer_like.rarity.count_table import CountTable
    from spacer_like.rarity.scores import Scorer

    table = CountTable.from_histogram(histogram_of(stack))
    table = replace(
        table,
        n_images=table.n_images * times,
        smallest_count=table.smallest_count * times,
        counts=table.counts * np.uint32(times),
    )
    seconds = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        scorer = Scorer(table, methods)
        scorer.add(stack)
        scores = scorer.scores()
        seconds.append(time.perf_counter() - started)
    return {"task_seconds": median(seconds[1:]), "mean_log_score": float(scores["log"].mean())}


def by_loop(stack: NDArray[np.uint8]) -> dict[str, float]:
    from benchmarks.rarity.original_loops import log_scores

    table = histogram_of(stack).to_dense().astype(np.float64)
    started = time.perf_counter()
    scores = log_scores(stack, table)
    return {"task_seconds": time.perf_counter() - started, "mean_log_score": float(scores.mean())}


def main(side: str, of: str, stack_file: Path) -> None:
    stack = np.load(stack_file)
    if side == "loop":
        answer = by_loop(stack)
    else:
        from spacer_like.rarity.messages import Method

        answer = by_spacer_like(stack, ["log"] if side == "log" else list(get_args(Method)), TIMES[of])
    print(json.dumps({**answer, "images_a_second": len(stack) / answer["task_seconds"]}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))

"""Count the colours of decoded images at every position.

usage: python -m benchmarks.rarity.count numba|one-core|numpy|loop|unique|memory STACK
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchmarks.cores import THREADS
from spacer_like.engines.worker import PIECES_OF_MEMORY
from spacer_like.memory import reuse_thread_memory

ROUNDS = 5
ROUNDS_OF_UNIQUE = 3
Stack = NDArray[np.uint8]


def by_spacer_like(stack: Stack) -> dict[str, float]:
    """Counts, a dense array as the loop's; and the histogram, of sorted pairs as `np.unique` gives them.

    The first round loads the compiled functions and is not counted. As a process of the workflow, this one uses its
    memory again.
    """
    from spacer_like.rarity.histogram import Header, HistogramBuilder

    reuse_thread_memory(PIECES_OF_MEMORY)
    counting, sparse = [], []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        builder = HistogramBuilder(Header(stack.shape[1], "bicubic", "drop"))
        builder.add(stack)
        builder.dense("benchmark")
        counting.append(time.perf_counter() - started)
        del builder
        started = time.perf_counter()
        builder = HistogramBuilder(Header(stack.shape[1], "bicubic", "drop"))
        builder.add(stack)
        histogram = builder.histogram("benchmark")
        sparse.append(time.perf_counter() - started)
        pairs, images = len(histogram.keys), int(histogram.counts.sum()) / histogram.header.positions
        del builder, histogram
    return {
        "counting_seconds": median(counting[1:]),
        "histogram_seconds": median(sparse[1:]),
        "first_seconds": counting[0] + sparse[0],
        "pairs": pairs,
        "images": images,
    }


def on_one_core(stack: Stack) -> dict[str, float]:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    return by_spacer_like(stack)


def without_numba(stack: Stack) -> dict[str, float]:
    sys.modules["numba"] = None  # type: ignore[assignment]
    return by_spacer_like(stack)


def by_loop(stack: Stack) -> dict[str, float]:
    from benchmarks.rarity.original_loops import histogram

    started = time.perf_counter()
    counts = histogram(stack)
    seconds = time.perf_counter() - started
    pairs, images = np.count_nonzero(counts), counts.sum() / len(counts)
    return {"counting_seconds": seconds, "histogram_seconds": seconds, "pairs": int(pairs), "images": images}


def by_unique(stack: Stack) -> dict[str, float]:
    """Each pixel packed into a number of its position and colour, and the numbers sorted."""
    rounds = [_sorted(stack) for _ in range(ROUNDS_OF_UNIQUE)]
    seconds = median(seconds for seconds, _, _ in rounds)
    _, pairs, images = rounds[0]
    return {"counting_seconds": seconds, "histogram_seconds": seconds, "pairs": pairs, "images": images}


def _sorted(stack: Stack) -> tuple[float, int, float]:
    started = time.perf_counter()
    bins = np.minimum(2 * np.arange(256) // 51, 9).astype(np.uint32)
    red, green, blue = (bins[stack[..., channel]].reshape(len(stack), -1) for channel in range(3))
    positions = np.arange(red.shape[1], dtype=np.uint32)
    packed = ((positions * 10 + red) * 10 + green) * 10 + blue
    keys, values = np.unique(packed, return_counts=True)
    seconds = time.perf_counter() - started
    return seconds, len(keys), values.sum() / len(positions)


def memory(stack: Stack) -> dict[str, float]:
    """As fast as the cores read the images: each sums its part of them, eight bytes at a time."""
    parts = np.array_split(stack.reshape(-1).view(np.uint64), THREADS)
    times = []
    with ThreadPoolExecutor(THREADS) as threads:
        for _ in range(ROUNDS + 1):
            started = time.perf_counter()
            list(threads.map(np.sum, parts))
            times.append(time.perf_counter() - started)
    seconds = median(times[1:])
    return {"counting_seconds": seconds, "histogram_seconds": seconds}


SIDES: dict[str, Callable[[Stack], dict[str, float]]] = {
    "numba": by_spacer_like,
    "one-core": on_one_core,
    "numpy": without_numba,
    "loop": by_loop,
    "unique": by_unique,
    "memory": memory,
}


def main(side: str, stack_file: Path) -> None:
    stack = np.load(stack_file)
    answer = SIDES[side](stack)
    print(json.dumps({**answer, "images_a_second": len(stack) / answer["counting_seconds"]}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

"""Make the histograms of many collections out of one: each time its colours mixed anew and its squares moved.

usage: python -m benchmarks.rarity.make_histograms FOLDER COLLECTIONS STACK
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spacer_like.rarity.histogram import Header, HistogramBuilder
from spacer_like.rarity.histogram_file import to_parquet

# Of the images that are changed at once.
BATCH = 100


def changed(stack: NDArray[np.uint8], random: np.random.Generator) -> list[NDArray[np.uint8]]:
    """Another collection in batches: other channels for red, green and blue, each brighter or darker, and moved."""
    channels = random.permutation(3)
    curve = (255 * np.linspace(0, 1, 256) ** random.uniform(0.5, 2)).astype(np.uint8)
    curve = curve[::-1] if random.random() < 0.5 else curve
    shift = tuple(int(number) for number in random.integers(-20, 20, 2))
    return [
        curve[np.roll(stack[first : first + BATCH, ..., channels], shift, (1, 2))]
        for first in range(0, len(stack), BATCH)
    ]


def main(folder: Path, count: int, stack_file: Path) -> None:
    stack = np.load(stack_file, mmap_mode="r")
    for number in range(count):
        builder = HistogramBuilder(Header(size=stack.shape[1], resample="bicubic", background="drop"))
        for batch in changed(stack, np.random.default_rng(number)):
            builder.add(batch)
        (folder / f"{number:03}.parquet").write_bytes(to_parquet(builder.histogram(f"collection-{number:03}")))
    print(json.dumps({"histograms": count}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))

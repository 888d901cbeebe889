"""From image files to a histogram, in memory or as a task that stores it; or the same files decoded and nothing else.

All in two threads, in a process that has done a few files before; the median of some rounds, as in a process that does
one collection after the other.

usage: python -m benchmarks.rarity.files_to_histogram memory|task|decoding png|jpeg FOLDER FEW_FILES_FOLDER HISTOGRAM
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchmarks.cores import THREADS
from spacer_like.engines.worker import PIECES_OF_MEMORY
from spacer_like.memory import reuse_thread_memory

ROUNDS = 15


def count(folder: Path) -> int:
    """Decode, count, and make sparse, a piece after the other as the task does that writes them."""
    from spacer_like.data_classes import DataLocation
    from spacer_like.rarity.histogram import HistogramBuilder
    from spacer_like.rarity.messages import PreparationMsg
    from spacer_like.rarity.tasks.collections import open_collection
    from spacer_like.rarity.tasks.histogram_storage import header_of

    preparation = PreparationMsg()
    with open_collection(DataLocation("filesystem", str(folder)), preparation) as collection:
        builder = HistogramBuilder(header_of(preparation))
        collection.decode_in_threads(builder.add)
    if not sum(len(keys) for keys, _ in builder.counted("benchmark").pieces()):
        raise AssertionError("Nothing was counted.")
    return builder.n_images


def run_task(folder: Path, histogram: Path) -> int:
    from spacer_like.data_classes import DataLocation
    from spacer_like.rarity.messages import ComputeHistogramMsg
    from spacer_like.rarity.tasks.histograms import compute_histogram

    message = ComputeHistogramMsg(
        collection_id="benchmark",
        images_loc=DataLocation("filesystem", str(folder)),
        histogram_loc=DataLocation("filesystem", str(histogram)),
    )
    n_images: int = compute_histogram(message).n_images
    return n_images


def decode_png(data: bytes) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.open(BytesIO(data)).convert("RGB"))


def decode_jpeg(data: bytes) -> NDArray[np.uint8]:
    import simplejpeg

    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB")
    return pixels


DECODERS: dict[str, Callable[[bytes], NDArray[np.uint8]]] = {"png": decode_png, "jpeg": decode_jpeg}


def decode(folder: Path, kind: str) -> int:
    """Each thread reads and decodes its part of the files, with nothing to wait for."""
    paths = sorted(folder.iterdir())
    decoder = DECODERS[kind]

    def part(number: int) -> int:
        return sum(decoder(path.read_bytes()).shape[2] == 3 for path in paths[number::THREADS])

    with ThreadPoolExecutor(THREADS) as threads:
        return sum(threads.map(part, range(THREADS)))


def main(what: str, kind: str, folder: Path, few: Path, histogram: Path) -> None:
    # As a process of the workflow, which counts one collection after the other.
    reuse_thread_memory(PIECES_OF_MEMORY)

    def once(files: Path) -> int:
        if what == "memory":
            return count(files)
        return run_task(files, histogram) if what == "task" else decode(files, kind)

    histogram.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    once(few)
    warm = time.perf_counter()
    rounds = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        images = once(folder)
        rounds.append(time.perf_counter() - begun)
    seconds = median(rounds)
    answer = {"task_seconds": seconds, "images_a_second": images / seconds, "first_seconds": warm - started}
    if what == "task":
        answer["histogram_mib"] = histogram.stat().st_size / 2**20
    answer["file_kib"] = sum(path.stat().st_size for path in folder.iterdir()) / images / 2**10
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(Path, sys.argv[3:]))

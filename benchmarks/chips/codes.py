"""Make an index of codes of vectors, and look for the ten nearest to chips that it was not made from.

usage: python -m benchmarks.chips.codes VECTORS QUERIES
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.chips.search import SINGLE, K, recall


def main(vectors_file: Path, queries_file: Path) -> None:
    from spacer_like.embeddings import (
        CodeIndex,
        MergedEmbeddings,
        codes_of,
        read_embeddings,
        read_index,
        write_codes,
        write_embeddings,
    )

    vectors = np.load(vectors_file, mmap_mode="r")
    queries = vectors[np.load(queries_file)].astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        embeddings, index_file = Path(folder) / "e", Path(folder) / "i"
        with embeddings.open("wb") as file:
            names = [f"{number:09}" for number in range(len(vectors))]
            write_embeddings(file, "made up", vectors.shape[1], [(names, vectors)])
        with embeddings.open("rb") as file:
            part = read_embeddings(file, "embeddings")
        started = time.perf_counter()
        merged = MergedEmbeddings([part])
        codebook, codes, measured = codes_of(merged.singles, len(merged), 0)
        with index_file.open("wb") as file:
            write_codes(file, merged, codebook, codes, measured)
        build_seconds = time.perf_counter() - started
        with index_file.open("rb") as file:
            index = read_index(file, "index")
        if not isinstance(index, CodeIndex):
            raise SystemExit("The index has no codes.")
        index.compare_with([part])
        index.search(queries[:2], K)
        started, cpu = time.perf_counter(), time.process_time()
        found = np.concatenate([index.search(query[None], K).indices for query in queries[:SINGLE]])
        single = (time.perf_counter() - started) / len(found)
        cpu = (time.process_time() - cpu) / len(found)
    answer = {
        "build_seconds": build_seconds,
        "single_seconds": single,
        "single_cpu_seconds": cpu,
        "recall": recall(found, vectors, queries),
        "recall_of_codes": measured.of_codes,
        "candidates": measured.candidates,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

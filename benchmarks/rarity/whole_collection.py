"""Ten thousand images: convert them to a stack, count it, score it by all methods; each a task, one after the other.

usage: python -m benchmarks.rarity.whole_collection IMAGES_FOLDER OUTPUT_FOLDER
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import get_args

ID = "benchmark"


def main(images: Path, output: Path) -> None:
    from spacer_like.data_classes import DataLocation
    from spacer_like.rarity.messages import ComputeHistogramMsg, ConvertCollectionMsg, Method, ScoreCollectionMsg
    from spacer_like.rarity.tasks.collections import convert_collection
    from spacer_like.rarity.tasks.histograms import compute_histogram
    from spacer_like.rarity.tasks.scoring import score_collection

    def place(name: str) -> DataLocation:
        return DataLocation("filesystem", str(output / name))

    output.mkdir(parents=True, exist_ok=True)
    folder = DataLocation("filesystem", str(images))
    stack, histogram = place("pixels.npz"), place("histogram.parquet")
    tables = {method: [place(f"{method}.csv")] for method in get_args(Method)}
    convert = ConvertCollectionMsg(collection_id=ID, images_loc=folder, stack_loc=stack)
    count = ComputeHistogramMsg(collection_id=ID, images_loc=stack, histogram_loc=histogram)
    score = ScoreCollectionMsg(collection_id=ID, images_loc=stack, histogram_loc=histogram, scores_locs=tables)
    began = time.perf_counter()
    n_images = convert_collection(convert).n_images
    converted = time.perf_counter()
    compute_histogram(count)
    counted = time.perf_counter()
    score_collection(score)
    scored = time.perf_counter()
    print(
        json.dumps(
            {
                "convert_seconds": converted - began,
                "count_seconds": counted - converted,
                "score_seconds": scored - counted,
                "count_and_score_seconds": scored - converted,
                "images": n_images,
                "histogram_mib": Path(histogram.key).stat().st_size / 2**20,
                "stack_mib": Path(stack.key).stat().st_size / 2**20,
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

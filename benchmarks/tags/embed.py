"""Make a table of embeddings of a folder of images by `process_images`.

usage: python -m benchmarks.tags.embed IMAGES TABLE [lite0|lite2] [--tagged]
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.tags.folders import ENCODERS


def main(images: Path, table: Path, encoder: str = "lite0", *options: str) -> None:
    from spacer_like.location import DataLocation
    from spacer_like.messages import ProcessImagesMsg
    from spacer_like.tasks import process_images

    table.parent.mkdir(parents=True, exist_ok=True)
    msg = ProcessImagesMsg(
        images_loc=DataLocation("filesystem", str(images)),
        embeddings_loc=DataLocation("filesystem", str(table)),
        extractor=f"spacer_like.extractors.{ENCODERS[encoder]}",
        tagged="--tagged" in options,
    )
    started = time.perf_counter()
    answer = process_images(msg)
    seconds = time.perf_counter() - started
    if answer.n_failed:
        raise SystemExit(f"{answer.n_failed} images failed, the first: {answer.failed[0]}")
    answer_of = {"task_seconds": seconds, "images_per_second": answer.n_images / seconds, "images": answer.n_images}
    print(json.dumps({**answer_of, "encoded": answer.n_encoded, "tags": len(answer.tags)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])

"""Extract the features of random points of an image, as a task.

usage: python -m benchmarks.points.extract PACKAGE IMAGE WEIGHTS FEATURES POINTS
"""

from __future__ import annotations

import json
import random
import sys
import time

from benchmarks.points.packages import part

HEIGHT, WIDTH = 3000, 4000


def random_points(count: int, seed: int) -> list[tuple[int, int]]:
    """Positions anywhere in the image, its edges included."""
    choose = random.Random(seed)
    return [(choose.randrange(HEIGHT), choose.randrange(WIDTH)) for _ in range(count)]


def main(package: str, image: str, weights: str, features: str, points: str) -> None:
    started = time.perf_counter()
    messages, extractors, tasks = (part(package, name) for name in ("messages", "extractors", "tasks"))
    imported = time.perf_counter()
    location = messages.DataLocation
    message = messages.ExtractFeaturesMsg(
        job_token="benchmark",
        extractor=extractors.EfficientNetExtractor(data_locations={"weights": location("filesystem", weights)}),
        rowcols=random_points(int(points), seed=int(points)),
        image_loc=location("filesystem", image),
        feature_loc=location("filesystem", features),
    )
    begun = time.perf_counter()
    tasks.extract_features(message)
    ended = time.perf_counter()
    print(json.dumps({"task_seconds": ended - begun, "import_seconds": imported - started}))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Many images in one job, or the network alone on the same patches.

usage: python -m benchmarks.points.many_images job|network IMAGES_FOLDER WEIGHTS FEATURES_FOLDER IMAGES POINTS
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.points.extract import random_points
from spacer_like.data_classes import DataLocation
from spacer_like.extractors import EfficientNetExtractor


def run_job(extractor: EfficientNetExtractor, images: list[Path], folder: Path, points: int) -> dict[str, float]:
    """Seconds that the job took, the loading of the weights included."""
    from spacer_like.messages import ExtractFeaturesMsg, JobMsg
    from spacer_like.tasks import process_job

    tasks = [
        ExtractFeaturesMsg(
            job_token=image.stem,
            extractor=extractor,
            rowcols=random_points(points, seed=number),
            image_loc=DataLocation("filesystem", str(image)),
            feature_loc=DataLocation("filesystem", str(folder / f"{image.stem}.npz")),
        )
        for number, image in enumerate(images)
    ]
    job = JobMsg(task_name="extract_features", tasks=tasks)
    started = time.perf_counter()
    answer = process_job(job)
    seconds = time.perf_counter() - started
    if not answer.ok:
        raise SystemExit(answer.error_message)
    return {"task_seconds": seconds}


def run_network(extractor: EfficientNetExtractor, images: list[Path], points: int) -> dict[str, float]:
    """Seconds that the network took, its loading included, and those that reading and cropping took before it."""
    from spacer_like.images.crop import crop_patches
    from spacer_like.images.decode import load_image

    started = time.perf_counter()
    extractor.prepare()
    network_seconds = time.perf_counter() - started
    reading_seconds = 0.0
    for number, path in enumerate(images):
        started = time.perf_counter()
        image = load_image(DataLocation("filesystem", str(path)))
        patches = crop_patches(image, random_points(points, seed=number), extractor.CROP_SIZE)
        read = time.perf_counter()
        extractor.patches_to_features(patches)
        reading_seconds += read - started
        network_seconds += time.perf_counter() - read
    return {"task_seconds": network_seconds, "reading_seconds": reading_seconds}


def main(what: str, images_folder: str, weights: str, features_folder: str, count: str, points: str) -> None:
    images = sorted(Path(images_folder).glob("*.jpg"))[: int(count)]
    extractor = EfficientNetExtractor(data_locations={"weights": DataLocation("filesystem", weights)})
    if what == "job":
        answer = run_job(extractor, images, Path(features_folder), int(points))
    else:
        answer = run_network(extractor, images, int(points))
    print(json.dumps({**answer, "patches_a_second": len(images) * int(points) / answer["task_seconds"]}))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Print what crops take at each precision, and what their features are worth.

usage: python -m benchmarks.points.precision FOLDER, where `spacer-like examples FOLDER` has written photographs and
labels

Time: processor seconds for 100 crops on one core, the precisions in turn. Accuracy: as `benchmarks.points.dense`, and
the difference to that at fp32 of the same splits. Calibrated are eight crops of each image, as by the command.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.points.dense import accuracies
from spacer_like.config import override
from spacer_like.extractors import EfficientNetLite0Extractor, EfficientNetLite2Extractor
from spacer_like.extractors.precision import PrecisionExtractor
from spacer_like.images.crop import Patches
from spacer_like.location import DataLocation
from spacer_like.storage import write_bytes

_CROPS, _TURNS = 100, 5


def crops_of(folder: Path, size: int, count: int) -> list[NDArray[np.uint8]]:
    """As many crops of each photograph, at random places."""
    rng = np.random.default_rng(0)
    crops: list[NDArray[np.uint8]] = []
    paths = sorted(folder.glob("*.jpg"))
    for path in paths:
        with Image.open(path) as photograph:
            places = [(int(rng.integers(photograph.height)), int(rng.integers(photograph.width))) for _ in range(count)]
            crops += Patches(photograph, places[: count // len(paths)], size)
    return crops


def seconds(extractor: PrecisionExtractor, crops: list[NDArray[np.uint8]]) -> float:
    before = time.process_time()
    extractor.patches_to_features(crops)
    return time.process_time() - before


def compare(extractor: PrecisionExtractor, folder: Path) -> None:
    crops = crops_of(folder, extractor.CROP_SIZE, _CROPS)
    calibration = DataLocation("memory", f"{extractor.extractor_id}.json")
    write_bytes(calibration, extractor.calibration_of(crops[::2]))
    both = (extractor, extractor.at_int8(calibration))
    vectors = [np.asarray(one.patches_to_features(crops)[0]) for one in both]
    taken = [[seconds(one, crops) for one in both] for _ in range(_TURNS)]
    unit = [found / np.linalg.norm(found, axis=1, keepdims=True) for found in vectors]
    cosine = (unit[0] * unit[1]).sum(1)
    found = [np.array(accuracies(one, folder)) for one in both]
    for one, times, accuracy in zip(both, zip(*taken, strict=True), found, strict=True):
        speed = len(crops) / statistics.median(times)
        print(
            f"{type(one).__name__} {one.precision}: {speed:.0f} crops a second, accuracy {accuracy.mean():.3f} "
            f"+- {accuracy.std():.3f} from split to split"
        )
    difference, ratio = found[1] - found[0], statistics.median(slow / fast for slow, fast in taken)
    print(
        f"  {ratio:.2f} times as fast, accuracy {difference.mean():+.4f} +- {difference.std():.4f}, "
        f"cosine to fp32 {cosine.mean():.4f}, of the least similar crop {cosine.min():.4f}"
    )


def main(folder: str) -> None:
    with override(torch_threads=1):
        for extractor in (EfficientNetLite0Extractor(), EfficientNetLite2Extractor()):
            compare(extractor, Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])

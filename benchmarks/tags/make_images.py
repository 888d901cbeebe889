"""Make JPEG files of mixed sizes out of the photographs that scikit-learn and matplotlib bring along.

usage: python -m benchmarks.tags.make_images FOLDER COUNT...

Each is a part of a photograph, perhaps mirrored, with its own colours and grain. A folder of a larger count has the
files of the smaller ones, as hard links.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.cores import THREADS

SOURCES = (
    ("sklearn", "datasets/images/china.jpg"),
    ("sklearn", "datasets/images/flower.jpg"),
    ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
)
SHORTEST, LONGEST = 320, 2400
"""Longer sides of the images in pixels, all sizes equally often on a logarithmic scale."""
GRAIN = 3.0


@cache
def sources() -> list[Image.Image]:
    """The photographs."""
    return list(_opened())


def _opened() -> Iterator[Image.Image]:
    for package, name in SOURCES:
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise SystemExit(f"The package {package}, which brings a photograph along, is not installed.")
        with Image.open(Path(spec.origin).parent / name) as image:
            yield image.convert("RGB")


def photograph(number: int) -> Image.Image:
    """The image of a number: always the same one."""
    random = np.random.default_rng([500, number])
    source = sources()[number % len(SOURCES)]
    part = _part(source, random)
    longer = np.exp(random.uniform(np.log(SHORTEST), np.log(LONGEST)))
    scale = longer / max(part.size)
    part = part.resize([max(1, round(side * scale)) for side in part.size], Image.Resampling.BICUBIC)
    return Image.fromarray(_developed(np.asarray(part), random))


def _part(source: Image.Image, random: np.random.Generator) -> Image.Image:
    width, height = (round(side * random.uniform(0.35, 1)) for side in source.size)
    left, top = random.integers(0, source.width - width + 1), random.integers(0, source.height - height + 1)
    part = source.crop((int(left), int(top), int(left) + width, int(top) + height))
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else part


def _developed(pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    # Without grain an enlarged part would be smoother, and its file smaller, than a photograph's.
    tile = random.normal(0, GRAIN, (256, 256, 1)).astype(np.float32)
    height, width, _ = pixels.shape
    grain = np.tile(tile, (height // 256 + 1, width // 256 + 1, 1))[:height, :width]
    gain = random.uniform(0.8, 1.2, 3).astype(np.float32)
    return ((pixels.astype(np.float32) + grain) * gain).clip(0, 255).astype(np.uint8)


def _write(number: int, path: Path) -> None:
    photograph(number).save(path, quality=int(np.random.default_rng([95, number]).integers(80, 95)))


def main(folder: Path, counts: list[int]) -> None:
    largest = folder / str(max(counts))
    largest.mkdir(parents=True)
    names = [f"{number:05}.jpg" for number in range(max(counts))]
    with ProcessPoolExecutor(THREADS) as pool:
        list(pool.map(_write, range(len(names)), [largest / name for name in names], chunksize=16))
    for count in counts:
        if count < max(counts):
            (folder / str(count)).mkdir()
            for name in names[:count]:
                os.link(largest / name, folder / str(count) / name)
    print(json.dumps({"images": max(counts), "bytes": sum((largest / name).stat().st_size for name in names)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(count) for count in sys.argv[2:]])

"""Ten thousand small pictures of 24 pixels, enlarged to 224, as PNG files: cut from a sheet, or drawn.

usage: python -m benchmarks.rarity.make_pixel_art FOLDER COUNT [SHEET]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.rarity.folders import SIZE

TILE = 24
TRAITS = 9
VARIANTS = 12


def tiles(sheet: Path) -> NDArray[np.uint8]:
    """The tiles of a sheet, row by row: uint8 [n, 24, 24, 3]."""
    with Image.open(sheet) as image:
        pixels = np.asarray(image.convert("RGB"))
    rows, columns = pixels.shape[0] // TILE, pixels.shape[1] // TILE
    cut = pixels[: rows * TILE, : columns * TILE].reshape(rows, TILE, columns, TILE, 3)
    return np.ascontiguousarray(cut.swapaxes(1, 2)).reshape(-1, TILE, TILE, 3)


def drawn(count: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Pictures of traits that lie over one another: symmetric patches of few colours; uint8 [count, 24, 24, 3]."""
    stack = np.broadcast_to(random.integers(60, 220, 3, np.uint8), (count, TILE, TILE, 3)).copy()
    for _ in range(TRAITS):
        share = 1 / np.arange(1, VARIANTS + 1)
        chosen = random.choice(VARIANTS, count, p=share / share.sum())
        top, left = random.integers(0, TILE - 8), random.integers(0, TILE // 2 - 3)
        for variant in range(VARIANTS):
            colours = random.integers(0, 256, (3, 3), np.uint8)
            height, width = random.integers(3, 9), random.integers(2, TILE // 2 - left + 1)
            half = random.integers(0, 4, (height, width))
            patch = np.concatenate([half, half[:, ::-1]], axis=1)
            start = TILE // 2 - width
            shown = np.ix_(chosen == variant, range(top, top + height), range(start, start + 2 * width))
            stack[shown] = np.where((patch < 3)[..., None], colours[patch % 3], stack[shown])
    return stack


def main(folder: Path, count: int, sheet: Path | None) -> None:
    small = drawn(count, np.random.default_rng(24)) if sheet is None else tiles(sheet)[:count]
    for token, pixels in enumerate(small):
        enlarged = Image.fromarray(pixels).resize((SIZE, SIZE), Image.Resampling.NEAREST)
        enlarged.save(folder / str(token), "PNG")
    print(json.dumps({"images": len(small)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)

"""Draw photographs of natural-looking texture: 1/f noise in three correlated colours, and shapes with edges.

usage: python -m benchmarks.points.make_images FOLDER COUNT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

HEIGHT, WIDTH = 3000, 4000
SHAPES = 600
SLOPE = 1.15
QUALITY = 90


def noise(random: np.random.Generator) -> NDArray[np.float32]:
    """A field of amplitude 1/f^SLOPE, zero mean and unit deviation, float32 [height, width]; its opposite edges fit."""
    spectrum = np.fft.rfft2(random.standard_normal((HEIGHT, WIDTH), dtype=np.float32))
    frequency = np.hypot(np.fft.fftfreq(HEIGHT)[:, None], np.fft.rfftfreq(WIDTH)[None, :])
    frequency[0, 0] = np.inf
    field = np.fft.irfft2(spectrum / frequency**SLOPE, s=(HEIGHT, WIDTH))
    unit: NDArray[np.float32] = (field / field.std()).astype(np.float32)
    return unit


def photograph(fields: NDArray[np.float32], random: np.random.Generator) -> Image.Image:
    """One image out of the fields [3, height, width]: moved, mixed to colours, with shapes laid over."""
    moved = np.stack([np.roll(field, random.integers(0, (HEIGHT, WIDTH)), (0, 1)) for field in fields])
    # Brightness is common to the colours of a real photograph, and hue varies less.
    mixing = np.column_stack([np.full(3, 32.0), random.normal(0, 7, (3, 2))])
    pixels = np.tensordot(mixing.astype(np.float32), moved, 1).transpose(1, 2, 0)
    pixels += random.uniform(90, 150, 3).astype(np.float32)
    pixels += shapes(random)[..., None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def shapes(random: np.random.Generator) -> NDArray[np.float32]:
    """Ellipses and polygons of other brightness, float32 [height, width], 0 where there are none."""
    layer = Image.new("L", (WIDTH, HEIGHT), 128)
    draw = ImageDraw.Draw(layer)
    for number in range(SHAPES):
        centre = random.uniform(0, (WIDTH, HEIGHT))
        reach = random.lognormal(4.3, 0.8, 2)
        shade = int(random.integers(68, 188))
        if number % 2:
            draw.ellipse([*(centre - reach), *(centre + reach)], fill=shade)
        else:
            corners = centre + random.normal(0, 1, (5, 2)) * reach
            draw.polygon([tuple(corner) for corner in corners], fill=shade)
    return np.asarray(layer.filter(ImageFilter.GaussianBlur(1.5)), np.float32) - 128


def main(folder: Path, count: int) -> None:
    random = np.random.default_rng(2024)
    fields = np.stack([noise(random) for _ in range(3)])
    for number in range(count):
        photograph(fields, random).save(folder / f"{number:02}.jpg", quality=QUALITY)
    print(json.dumps({"images": count}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

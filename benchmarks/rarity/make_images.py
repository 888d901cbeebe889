"""Draw a collection of characters out of layers, as generated collections are: squares of 224 pixels.

Each layer has some variants, of which each image shows one, often or rarely and in its own tint: shaded shapes with
soft edges before a plain or graded background; every twentieth character is grained. The PNG files are about as large
as those of emoji of this size, so that they cost as much to decode, and of a thousand images there are as many pairs of
position and colour.

usage: python -m benchmarks.rarity.make_images FOLDER COUNT
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from benchmarks.rarity.folders import SIZE

SCALE = 2
FINE = SIZE * SCALE
BACKGROUNDS = 16
VARIANTS = 24
FEW = 8
GRAINED = 20
RIM = 4
QUALITY = 92
# Where the layers' shapes lie, as shares of the square: (centre x, centre y, reach x, reach y, shapes of a variant).
LAYERS = (
    (0.50, 0.95, 0.34, 0.32, 3),
    (0.50, 0.52, 0.27, 0.31, 1),
    (0.50, 0.22, 0.30, 0.16, 4),
    (0.38, 0.47, 0.07, 0.06, 2),
    (0.62, 0.47, 0.07, 0.06, 2),
    (0.50, 0.68, 0.12, 0.05, 2),
    (0.75, 0.30, 0.10, 0.10, 3),
)


def shading(random: np.random.Generator) -> NDArray[np.float32]:
    """Light that falls from a side, with soft spots: float32 [size, size], about 1."""
    rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE
    angle = random.uniform(0, 2 * np.pi)
    light = 0.35 * ((rows - 0.5) * np.sin(angle) + (columns - 0.5) * np.cos(angle))
    coarse = Image.fromarray(random.uniform(0, 255, (7, 7)).astype(np.uint8))
    spots = np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC), np.float32) / 255 - 0.5
    shade: NDArray[np.float32] = (1 + light + 0.2 * spots).astype(np.float32)
    return shade


def layer(random: np.random.Generator, place: tuple[float, float, float, float, int]) -> Image.Image:
    """One variant of a layer, RGBA: shaded shapes with a dark rim, transparent elsewhere."""
    x, y, reach_x, reach_y, count = place
    outline = Image.new("L", (FINE, FINE), 0)
    draw = ImageDraw.Draw(outline)
    for _ in range(count):
        centre = np.array([x, y]) + random.normal(0, 0.2, 2) * (reach_x, reach_y)
        reach = np.array([reach_x, reach_y]) * random.uniform(0.6, 1.1, 2)
        if random.random() < 0.6:
            draw.ellipse([*((centre - reach) * FINE), *((centre + reach) * FINE)], fill=255)
        else:
            corners = centre + random.uniform(-1, 1, (6, 2)) * reach
            draw.polygon([tuple(corner * FINE) for corner in corners], fill=255)
    inside = outline.filter(ImageFilter.BoxBlur(RIM)).point(lambda value: value if value == 255 else 0)
    outline, inside = (image.resize((SIZE, SIZE), Image.Resampling.BOX) for image in (outline, inside))
    rim = np.asarray(ImageChops.subtract(outline, inside), np.float32) / 255
    colours = random.uniform(30, 235, 3).astype(np.float32) * shading(random)[..., None] * (1 - 0.75 * rim[..., None])
    image = Image.fromarray(colours.clip(0, 255).astype(np.uint8))
    image.putalpha(outline)
    return image


def background(random: np.random.Generator, number: int) -> Image.Image:
    """Half of them of one colour, half graded."""
    colour = random.uniform(60, 250, 3).astype(np.float32)
    pixels = np.broadcast_to(colour, (SIZE, SIZE, 3))
    if number % 2:
        pixels = pixels * shading(random)[..., None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert("RGBA")


def tinted(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """The layer in colours of its own."""
    gains = random.uniform(0.6, 1.4, 3)
    levels = np.minimum(np.outer(gains, np.arange(256)), 255).astype(int)
    return image.point([*levels.ravel().tolist(), *range(256)])


def characters(count: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """The collection, uint8 [count, size, size, 3]."""
    layers = [[background(random, number) for number in range(BACKGROUNDS)]]
    layers += [[layer(random, place) for _ in range(VARIANTS)] for place in LAYERS]
    # The n-th variant is 1/n as frequent as the first.
    shares = [1 / np.arange(1, len(variants) + 1) for variants in layers]
    stack = np.empty((count, SIZE, SIZE, 3), np.uint8)
    for number in range(count):
        chosen = [random.choice(len(share), p=share / share.sum()) for share in shares]
        image = layers[0][chosen[0]].copy()
        for variants, variant in zip(layers[1:], chosen[1:], strict=True):
            image.alpha_composite(tinted(variants[variant], random))
        pixels = np.asarray(image.convert("RGB"))
        if number % GRAINED == 0:
            pixels = (pixels + random.normal(0, 2, pixels.shape)).clip(0, 255).astype(np.uint8)
        stack[number] = pixels
    return stack


def main(folder: Path, count: int) -> None:
    stack = characters(count, np.random.default_rng(224))
    np.save(folder / "stack.npy", stack)
    for kind, options in (("png", {}), ("jpeg", {"quality": QUALITY})):
        for name in (kind, f"few-{kind}"):
            (folder / name).mkdir()
        for token, pixels in enumerate(stack):
            path = folder / kind / str(token)
            Image.fromarray(pixels).save(path, kind, **options)
            if token < FEW:
                shutil.copyfile(path, folder / f"few-{kind}" / str(token))
    print(json.dumps({"images": count}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

"""Small collections of real files, whatever may be wrong with one included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw


def drawing(seed: int, size: int = 32) -> Image.Image:
    """A figure on a plain ground, as the images of a collection are: much in common, and something of its own."""
    random = np.random.default_rng(seed)
    grounds = [(99, 133, 150), (120, 80, 60), (200, 190, 120)]
    image = Image.new("RGB", (size, size), grounds[int(random.integers(3))])
    pen = ImageDraw.Draw(image)
    left, top = random.integers(2, 10, 2)
    pen.ellipse([left, top, left + 16, top + 18], fill=tuple(int(part) for part in random.integers(0, 256, 3)))
    pen.rectangle([left + 4, top + 5, left + 6, top + 7], fill=(0, 0, 0))
    return image


@pytest.fixture(scope="session")
def make_collections():
    """Writes collections below a folder: two that can be scored, and one of each that cannot."""

    def make(folder: Path, scored=("apes", "punks"), images=12) -> Path:
        for which, name in enumerate(scored):
            resized = folder / name / "resized"
            resized.mkdir(parents=True)
            for token in range(images):
                drawing(100 * which + token).save(resized / str(token), "PNG")
            metadata = folder / name / "metadata"
            metadata.mkdir()
            rows = [f"{token},{token * 1.5},{images - token},https://example.org/{token}" for token in range(images)]
            rows[3] = "3,undefined,,"
            (metadata / "metadata.csv").write_text("\n".join(rows) + "\n")
        (folder / scored[0] / "resized" / "77").write_bytes(b"this is no image")
        (folder / "hidden" / "resized").mkdir(parents=True)
        for token in range(5):
            drawing(7).save(folder / "hidden" / "resized" / str(token), "PNG")
        (folder / "nothing" / "resized").mkdir(parents=True)
        (folder / "torn.zip").write_bytes(b"PK\x03\x04 and no more")
        return folder

    return make


@pytest.fixture(scope="session")
def make_transparent():
    """Writes two small collections below a folder, whose pixels another background changes."""

    def make(folder: Path) -> Path:
        for which, name in enumerate(("apes", "punks")):
            (folder / name).mkdir(parents=True)
            for token in range(4):
                image = drawing(10 * which + token, 16).convert("RGBA")
                image.putalpha(128)
                image.save(folder / name / f"{token}.png")
        return folder

    return make

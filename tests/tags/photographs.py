"""Photographs of scikit-learn as files, and drawn images."""

from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from spacer_like.location import DataLocation
from spacer_like.storage import write_bytes


@cache
def photographs() -> dict[str, np.ndarray]:
    """Pixels uint8 [height, width, 3], by name: two photographs, and parts of them."""
    china, flower = load_sample_images().images
    parts = {"roof": china[:200, 100:500], "steps": china[250:], "petals": flower[50:300, 200:450]}
    return {"china": china, "flower": flower} | parts


def encoded(pixels, image_format="JPEG", **options) -> bytes:
    stream = BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(stream, image_format, **options)
    return stream.getvalue()


def small(name: str, side: int = 64) -> np.ndarray:
    image = Image.fromarray(photographs()[name])
    image.thumbnail((side, side))
    return np.asarray(image)


def coloured(seed: int) -> bytes:
    """The PNG of an image that no other seed gives."""
    return encoded(np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8), "PNG")


def stored(files: dict[str, bytes], folder: str = "set") -> DataLocation:
    for name, data in files.items():
        write_bytes(DataLocation("memory", f"{folder}/{name}"), data)
    return DataLocation("memory", folder)

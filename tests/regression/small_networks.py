"""Networks with random weights for images of 16 pixels, and images for them."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spacer_like.location import DataLocation
from spacer_like.regression.architectures import weight_shapes
from spacer_like.regression.augmentation import Pool
from spacer_like.regression.dataset import pool_bytes
from spacer_like.regression.regressor import REGRESSOR, UNIT_SCALE, Domain, Regressor
from spacer_like.storage import write_bytes

SIZE = 16
DOMAIN = Domain(("c", "g"), 10, (100.0, 15.0), (60.0, 12.0))


def network(seed: int, n_classes: int | None = None, domain: Domain | None = DOMAIN) -> Regressor:
    random = np.random.default_rng(seed)
    weights = {}
    for name, shape in weight_shapes("small_cnn", SIZE, n_classes).items():
        scale = 1.4 / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.0
        values = random.normal(0, scale, shape)
        # What a normalisation divides by.
        weights[name] = (values + ("var" in name or ("norm" in name and "weight" in name))).astype(np.float32)
    return Regressor("small_cnn", SIZE, n_classes, UNIT_SCALE, weights, domain)


def store(location: DataLocation, regressor: Regressor) -> DataLocation:
    write_bytes(location, REGRESSOR.to_bytes(regressor))
    return location


def galaxy(seed: int, mode: str = "RGB", size: tuple[int, int] = (24, 24)) -> bytes:
    """A PNG of noise of a mean near 100."""
    random = np.random.default_rng(seed)
    shape = (size[1], size[0], len(mode)) if len(mode) > 1 else (size[1], size[0])
    sink = io.BytesIO()
    Image.fromarray(random.integers(0, 200, shape, dtype=np.uint8), mode).save(sink, "PNG")
    return sink.getvalue()


def samples(codes: list[int], seed: int = 0, band: str = "c", images: NDArray[np.uint8] | None = None) -> bytes:
    """A file of images, of noise where none are given, with these codes, and ids from 1 on."""
    random = np.random.default_rng(seed)
    if images is None:
        images = random.integers(0, 200, (len(codes), SIZE, SIZE, 3), dtype=np.uint8)
    ids = np.arange(1, len(codes) + 1, dtype=np.int32)
    return pool_bytes(Pool(images, np.array(codes, np.int32), ids, np.array([band] * len(codes))), True)

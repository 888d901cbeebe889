from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

Encoder = Callable[..., bytes]


@pytest.fixture(scope="session")
def pixels() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A picture with structure everywhere, 90 rows by 130 columns."""
    rows, cols = np.mgrid[:90, :130]
    noise = np.random.default_rng(3).integers(0, 40, (90, 130, 3))
    return (np.stack([rows * 2, cols, rows + cols // 2], axis=-1) % 210 + noise).astype(np.uint8)


@pytest.fixture(scope="session")
def encode() -> Encoder:
    def encode_image(image: Any, image_format: str, **options: Any) -> bytes:
        stream = BytesIO()
        (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(stream, image_format, **options)
        return stream.getvalue()

    return encode_image

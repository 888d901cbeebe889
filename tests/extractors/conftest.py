from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from spacer_like.config import override
from spacer_like.data_classes import DataLocation
from spacer_like.extractors.networks import network_cache
from spacer_like.storage import clear_memory_storage, write_bytes


@pytest.fixture(autouse=True)
def own_caches(tmp_path: Path) -> Iterator[Path]:
    """The folder of models, empty; nothing is left of other tests' networks."""
    network_cache.clear()
    clear_memory_storage()
    folder = tmp_path / "models"
    folders = {"onnx_cache_dir": str(folder), "extractors_cache_dir": str(tmp_path / "weights")}
    with override(**folders, device="cpu", torch_threads=1):
        yield folder


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """A photograph of 427 rows and 640 columns."""
    return np.ascontiguousarray(load_sample_image("flower.jpg"))


@pytest.fixture(scope="session")
def points() -> list[tuple[int, int]]:
    """Points in the middle, at edges and corners of the photograph."""
    return [(200, 300), (0, 0), (426, 639), (213, 5), (100, 500)]


@pytest.fixture(scope="session")
def b0_weights(photo: np.ndarray) -> bytes:
    """Random weights of an EfficientNet-b0 as a weights file; its batch norms know the photograph.

    Weights that are only drawn at random make all features nearly zero, which proves nothing.
    """
    import torch

    from spacer_like.extractors import EfficientNetExtractor

    torch.manual_seed(1)
    network = EfficientNetExtractor.untrained_model()
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
    patches = np.stack([photo[top : top + 224, left : left + 224] for top in (0, 200) for left in (0, 200, 400)])
    with torch.no_grad():
        network.train().extract_features(torch.from_numpy(patches).permute(0, 3, 1, 2) / 255)
    stream = BytesIO()
    torch.save({"net": network.state_dict()}, stream)
    return stream.getvalue()


@pytest.fixture
def b0_location(b0_weights: bytes, tmp_path: Path) -> DataLocation:
    """A file of these weights."""
    location = DataLocation("filesystem", str(tmp_path / "b0.pt"))
    write_bytes(location, b0_weights)
    return location

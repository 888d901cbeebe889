from collections.abc import Callable, Iterator

import numpy as np
import pytest

from spacer_like import storage
from spacer_like.data_classes import DataLocation, ImageFeatures, ImageLabels, LabelId, TrainingTaskLabels
from spacer_like.learning.model_files import load_classifier

Store = Callable[..., ImageLabels]


@pytest.fixture(autouse=True)
def _empty_memory() -> Iterator[None]:
    storage.clear_memory_storage()
    load_classifier.cache_clear()
    yield
    storage.clear_memory_storage()
    load_classifier.cache_clear()


@pytest.fixture
def store() -> Store:
    """Stores overlapping classes of features, image by image, and returns their labels."""

    def make(
        name: str,
        images: int,
        points: int = 10,
        classes: tuple[LabelId, ...] = (3, 7, 8),
        dimension: int = 12,
        extractor_id: str | None = None,
        scale: float = 1.0,
    ) -> ImageLabels:
        random = np.random.default_rng([len(name), images])
        centres = np.random.default_rng(5).normal(size=(len(classes), dimension))
        labels = ImageLabels()
        for number in range(images):
            chosen = np.concatenate([np.arange(len(classes)), random.integers(0, len(classes), points)])[:points]
            rowcols = [(int(row), 2 * int(row)) for row in random.permutation(500)[:points]]
            vectors = scale * (centres[chosen] + 0.8 * random.normal(size=(points, dimension)))
            location = DataLocation("memory", f"{name}{number}.npz")
            ImageFeatures.from_arrays(rowcols, vectors.astype(np.float32), extractor_id).store(location)
            labels.add_image(
                location, [(row, col, classes[index]) for (row, col), index in zip(rowcols, chosen, strict=True)]
            )
        return labels

    return make


@pytest.fixture
def three_sets(store: Store) -> TrainingTaskLabels:
    return TrainingTaskLabels(train=store("train", 12), ref=store("ref", 6), val=store("val", 5))

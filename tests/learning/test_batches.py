from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.random import RandomState

from spacer_like.data_classes import DataLocation, ImageFeatures, ImageLabels
from spacer_like.exceptions import (
    FeatureFileError,
    RowColumnMismatchError,
    RowColumnMissingError,
    TrainingLabelsError,
)
from spacer_like.learning.batches import LabelledFeatures

Store = Callable[..., ImageLabels]

DIMENSION = 12
INDEX = {3: 0, 7: 1, 8: 2}
PLENTY = 10**9
POINT_BYTES = 4 * DIMENSION


class TestLoadDataInBatches:
    def test_batches_are_full_but_the_last(self, store: Store) -> None:
        labels = store("a", 7)
        assert [len(names) for _, names in labels.load_data_in_batches(batch_size=20)] == [20, 20, 20, 10]
        assert [len(names) for _, names in labels.load_data_in_batches(batch_size=35)] == [35, 35]

    def test_without_a_size_everything_is_one_batch(self, store: Store) -> None:
        labels = store("a", 7)
        [(vectors, names)] = labels.load_data_in_batches(batch_size=None)
        assert len(vectors) == len(names) == 70
        assert vectors[0].dtype == np.float64
        assert labels.load_all_data()[1] == names

    def test_vectors_stand_beside_their_labels(self, store: Store) -> None:
        labels = store("a", 3)
        pairs = [
            (vector.tolist(), name)
            for vectors, names in labels.load_data_in_batches(batch_size=4)
            for vector, name in zip(vectors, names, strict=True)
        ]
        wanted = []
        for location in list(labels.keys()):
            features = ImageFeatures.load(location)
            wanted += [(features[row, col].tolist(), label) for row, col, label in labels[location]]
        assert pairs == wanted

    def test_a_seed_shuffles_images_as_a_fresh_numpy_stream_does(self, store: Store) -> None:
        labels = store("a", 9)
        order = list(labels.keys())
        RandomState(4).shuffle(order)  # type: ignore[arg-type, unused-ignore]
        wanted = [label for location in order for _, _, label in labels[location]]

        before = np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]
        found = [name for _, names in labels.load_data_in_batches(batch_size=8, random_seed=4) for name in names]

        assert found == wanted
        assert np.random.get_state()[1].tolist() == before  # type: ignore[index, union-attr]

    @given(
        sizes=st.lists(st.integers(1, 7), min_size=1, max_size=6),
        batch_size=st.integers(1, 12),
        seed=st.none() | st.integers(0, 9),
    )
    @hypothesis_settings(
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=25
    )
    def test_batches_divide_the_data(self, sizes: list[int], batch_size: int, seed: int | None) -> None:
        labels = ImageLabels()
        for number, size in enumerate(sizes):
            location = DataLocation("memory", f"p{number}")
            values = np.arange(size, dtype=np.float32)[:, None] + 10 * number
            ImageFeatures.from_arrays([(row, 0) for row in range(size)], values).store(location)
            labels.add_image(location, [(row, 0, 10 * number + row) for row in range(size)])
        batches = list(labels.load_data_in_batches(batch_size, seed))
        assert all(len(names) == batch_size for _, names in batches[:-1])
        assert 1 <= len(batches[-1][1]) <= batch_size
        names = [name for _, names in batches for name in names]
        assert [float(vector[0]) for vectors, _ in batches for vector in vectors] == names
        assert sorted(names) == sorted(10 * number + row for number, size in enumerate(sizes) for row in range(size))


class TestErrorsNameTheFile:
    def test_a_point_that_the_file_lacks(self, store: Store) -> None:
        labels = store("a", 2)
        labels.add_image(DataLocation("memory", "a1.npz"), [(300, 299, 3)])
        with pytest.raises(RowColumnMismatchError) as caught:
            list(labels.load_data_in_batches())
        assert str(caught.value) == (
            "a1.npz: The labels' row-column positions don't match those of the feature vector (example: (300, 299))."
        )

    def test_features_without_positions(self) -> None:
        location = DataLocation("memory", "legacy")
        ImageFeatures.from_arrays(None, np.ones((2, 3))).store(location)
        with pytest.raises(RowColumnMissingError) as caught:
            list(ImageLabels({location: [(1, 1, 1)]}).load_data_in_batches())
        assert str(caught.value) == "legacy: Features without rowcols are no longer supported for training."

    def test_numbers_that_are_not_finite(self) -> None:
        location = DataLocation("memory", "nan")
        ImageFeatures.from_arrays([(1, 1)], np.array([[1.0, np.nan]])).store(location)
        with pytest.raises(FeatureFileError, match=r"nan: .*not finite"):
            list(ImageLabels({location: [(1, 1, 1)]}).load_data_in_batches())

    @pytest.mark.parametrize("memory", [PLENTY, 0])
    def test_vectors_of_unequal_length(self, store: Store, memory: int) -> None:
        labels = store("a", 2)
        location = DataLocation("memory", "a1.npz")
        points = labels[location]
        ImageFeatures.from_arrays([(row, col) for row, col, _ in points], np.ones((len(points), 3))).store(location)
        with pytest.raises(FeatureFileError, match=r"a1\.npz: .*different extractors"):
            list(LabelledFeatures(labels, INDEX, memory).batches(5))
        with pytest.raises(FeatureFileError, match="different extractors"):
            list(labels.load_data_in_batches())

    def test_no_labels(self) -> None:
        with pytest.raises(TrainingLabelsError, match="There are no labels to learn from"):
            LabelledFeatures(ImageLabels(), INDEX, PLENTY)

    def test_a_class_that_is_not_wanted(self, store: Store) -> None:
        with pytest.raises(TrainingLabelsError, match="8"):
            LabelledFeatures(store("a", 1), {3: 0, 7: 1}, PLENTY)


class TestLabelledFeatures:
    @pytest.mark.parametrize("batch_size", [1, 7, 10, 33, 100])
    @pytest.mark.parametrize("seed", [None, 3])
    def test_memory_does_not_change_the_batches(self, store: Store, batch_size: int, seed: int | None) -> None:
        labels = store("a", 9)

        def batches(memory: int) -> list[tuple[Any, Any]]:
            features = LabelledFeatures(labels, INDEX, memory)
            random = None if seed is None else RandomState(seed)
            return [(batch.vectors.tolist(), batch.targets.tolist()) for batch in features.batches(batch_size, random)]

        # All in memory; about half of the images; none.
        everything = batches(PLENTY)
        assert batches(80 * POINT_BYTES) == everything
        assert batches(0) == everything
        wanted = list(labels.load_data_in_batches(batch_size, seed))
        assert [[INDEX[name] for name in names] for _, names in wanted] == [targets for _, targets in everything]

    def test_memory_bounds_what_is_kept(self, store: Store) -> None:
        labels = store("a", 9)
        assert LabelledFeatures(labels, INDEX, 90 * POINT_BYTES).held_bytes == 90 * POINT_BYTES
        assert 0 < LabelledFeatures(labels, INDEX, 89 * POINT_BYTES).held_bytes <= 89 * POINT_BYTES // 2
        assert LabelledFeatures(labels, INDEX, 0).held_bytes == 0

    def test_a_file_is_read_once_where_memory_allows(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        labels = store("a", 5)
        read: list[str] = []
        from spacer_like import storage

        original = storage.read_many

        def counting(locations: Any, **arguments: Any) -> Any:
            locations = list(locations)
            read.extend(location.key for location in locations)
            return original(locations, **arguments)

        monkeypatch.setattr(storage, "read_many", counting)
        features = LabelledFeatures(labels, INDEX, PLENTY)
        for epoch in range(3):
            list(features.batches(10, RandomState(epoch)))
        assert sorted(read) == sorted(location.key for location in list(labels.keys()))

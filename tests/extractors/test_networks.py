"""Batches come out in their order, and networks are built once and forgotten when others are used."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from spacer_like.config import override
from spacer_like.cores import thread_count
from spacer_like.data_classes import DataLocation
from spacer_like.extractors import EfficientNetExtractor, EfficientNetLite0Extractor
from spacer_like.extractors.networks import NetworkCache, network_cache, run_in_batches


def brightness(batch: np.ndarray) -> np.ndarray:
    time.sleep(0.001 * float(batch[0, 0, 0, 0] % 3))
    return batch.reshape(len(batch), -1)[:, :2].astype(np.float32)


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_features_are_in_the_order_of_patches(batch_size, workers):
    patches = [np.full((2, 2, 3), number, np.uint8) for number in range(17)]
    found = run_in_batches(brightness, patches, batch_size, workers)
    assert found[:, 0].tolist() == list(range(17))


def test_batches_are_no_larger_than_asked():
    sizes: list[int] = []

    def run(batch: np.ndarray) -> np.ndarray:
        sizes.append(len(batch))
        return np.zeros((len(batch), 1), np.float32)

    run_in_batches(run, [np.zeros((2, 2, 3), np.uint8)] * 7, 3, 1)
    assert sizes == [3, 3, 1]


def test_an_error_in_one_batch_is_the_callers():
    def run(batch: np.ndarray) -> np.ndarray:
        if batch[0, 0, 0, 0] == 5:
            raise RuntimeError("no memory")
        return brightness(batch)

    with pytest.raises(RuntimeError, match="no memory"):
        run_in_batches(run, [np.full((2, 2, 3), number, np.uint8) for number in range(9)], 1, 3)


def test_threads_are_those_of_the_setting_or_of_the_machine():
    with override(torch_threads=7):
        assert thread_count() == 7
    with override(torch_threads=None):
        assert thread_count() >= 1


class TestTheCache:
    def test_builds_once_for_many_threads(self):
        cache, built = NetworkCache(), []

        def build() -> object:
            time.sleep(0.05)
            built.append(object())
            return built[-1]

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: cache.get("key", build), range(8)))
        assert len(built) == 1
        assert set(found) == set(built)

    def test_forgets_what_was_used_longest_ago(self):
        cache, built = NetworkCache(2), []
        for key in ["a", "b", "a", "c", "a", "b"]:
            cache.get(key, lambda key=key: built.append(key))
        assert built == ["a", "b", "c", "b"]
        assert len(cache) == 2

    def test_tries_again_after_a_failure(self):
        cache = NetworkCache()
        with pytest.raises(ZeroDivisionError):
            cache.get("key", lambda: 1 / 0)
        assert cache.get("key", lambda: "network") == "network"

    def test_serves_all_extractors_of_the_same_weights(self, b0_location, b0_weights, tmp_path, photo):
        copy = DataLocation("filesystem", str(tmp_path / "copy.pt"))
        (tmp_path / "copy.pt").write_bytes(b0_weights)
        with override(use_onnx=False):
            for location in (b0_location, copy):
                EfficientNetExtractor({"weights": location}).prepare()
        assert len(network_cache) == 1

    def test_keeps_runtimes_apart(self):
        EfficientNetLite0Extractor().prepare()
        with override(use_onnx=False):
            EfficientNetLite0Extractor().prepare()
        assert len(network_cache) == 2


def test_several_threads_extract_at_once(photo):
    extractor = EfficientNetLite0Extractor()
    points = [(20 * number, 30 * number) for number in range(6)]
    with override(torch_threads=2):
        alone, _ = extractor(photo, points)
        with ThreadPoolExecutor(3) as pool:
            found = list(pool.map(lambda _: extractor(photo, points)[0], range(3)))
    assert all(np.array_equal(features.features, alone.features) for features in found)

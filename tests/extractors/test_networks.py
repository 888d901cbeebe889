"""Batches come out in their order, and networks are built once and forgotten when others are used."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from spacer_like.config import override
from spacer_like.cores import thread_count
from spacer_like.data_classes import DataLocation
from spacer_like.extractors import EfficientNetExtractor, EfficientNetLite0Extractor
from spacer_like.extractors.networks import BatchesUnderWay, NetworkCache, network_cache, run_in_batches
from spacer_like.extractors.onnx_session import OnnxNetwork


def brightness(batch: np.ndarray) -> np.ndarray:
    time.sleep(0.001 * float(batch[0, 0, 0, 0] % 3))
    return batch.reshape(len(batch), -1)[:, :2].astype(np.float32)


def patches_of(count: int) -> list[np.ndarray]:
    return [np.full((2, 2, 3), number, np.uint8) for number in range(count)]


def in_this_thread(run, patches, batch_size):
    return run_in_batches(run, patches, batch_size)


def by_one_worker(run, patches, batch_size):
    return BatchesUnderWay(run, patches, batch_size, 1)()


def by_five_workers(run, patches, batch_size):
    return BatchesUnderWay(run, patches, batch_size, 5)()


@pytest.fixture(params=[in_this_thread, by_one_worker, by_five_workers], ids=lambda way: way.__name__)
def run_all(request):
    return request.param


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_features_are_in_the_order_of_patches(run_all, batch_size):
    assert run_all(brightness, patches_of(17), batch_size)[:, 0].tolist() == list(range(17))


def test_batches_are_no_larger_than_asked(run_all):
    sizes: list[int] = []

    def run(batch: np.ndarray) -> np.ndarray:
        sizes.append(len(batch))
        return np.zeros((len(batch), 1), np.float32)

    run_all(run, patches_of(7), 3)
    assert sorted(sizes) == [1, 3, 3]


def test_an_error_in_one_batch_is_the_callers(run_all):
    def run(batch: np.ndarray) -> np.ndarray:
        if batch[0, 0, 0, 0] == 5:
            raise RuntimeError("no memory")
        return brightness(batch)

    with pytest.raises(RuntimeError, match="no memory"):
        run_all(run, patches_of(9), 1)


class TestBatchesUnderWay:
    def test_are_computed_before_anybody_waits_for_them(self):
        computed = threading.Event()

        def run(batch: np.ndarray) -> np.ndarray:
            computed.set()
            return brightness(batch)

        under_way = BatchesUnderWay(run, patches_of(1), 1, 2)
        assert computed.wait(10)
        assert under_way().shape == (1, 2)

    def test_of_the_next_image_begin_while_one_of_the_last_is_still_computed(self):
        next_began = threading.Event()

        def slow_at_the_end(batch: np.ndarray) -> np.ndarray:
            if batch[0, 0, 0, 0] == 3:
                assert next_began.wait(10), "a worker waits although there is work"
            return brightness(batch)

        def run_next(batch: np.ndarray) -> np.ndarray:
            next_began.set()
            return brightness(batch)

        first = BatchesUnderWay(slow_at_the_end, patches_of(4), 1, 2)
        second = BatchesUnderWay(run_next, patches_of(2), 1, 2)
        assert (len(first()), len(second())) == (4, 2)

    @pytest.mark.parametrize("fails", [True, False])
    def test_that_nobody_waits_for_any_more_are_not_computed(self, fails):
        was_let_go, ran = threading.Event(), []

        def run(batch: np.ndarray) -> np.ndarray:
            number = int(batch[0, 0, 0, 0])
            ran.append(number)
            if fails and number == 0:
                raise RuntimeError("no memory")
            assert was_let_go.wait(10)
            return brightness(batch)

        under_way = BatchesUnderWay(run, patches_of(50), 1, 3)
        if fails:
            with pytest.raises(RuntimeError, match="no memory"):
                under_way()
        else:
            del under_way
            gc.collect()
        was_let_go.set()
        BatchesUnderWay(brightness, patches_of(3), 1, 3)()
        assert len(ran) <= 4

    def test_let_go_of_the_patches_in_the_end(self):
        class Watched(list):
            pass

        patches = Watched(patches_of(3))
        under_way = BatchesUnderWay(brightness, patches, 1, 2)
        under_way()
        gone = weakref.ref(patches)
        del patches
        # A worker forgets its last batch when it takes up the next one.
        BatchesUnderWay(brightness, patches_of(20), 1, 2)()
        assert gone() is None
        del under_way

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_are_computed_in_a_forked_child_as_well(self):
        BatchesUnderWay(brightness, patches_of(3), 1, 2)()
        child = os.fork()
        if child == 0:
            os._exit(len(BatchesUnderWay(brightness, patches_of(3), 1, 2)()))
        assert ended_with(child) == 3


class TestAnExtractionThatWasBegun:
    def test_goes_on_before_anybody_asks_for_its_answer(self, photo, monkeypatch):
        began, run = threading.Event(), OnnxNetwork.run

        def telling(network: OnnxNetwork, batch: np.ndarray) -> np.ndarray:
            began.set()
            return run(network, batch)

        monkeypatch.setattr(OnnxNetwork, "run", telling)
        extractor, points = EfficientNetLite0Extractor(), [(20, 30), (40, 50)]
        answer = extractor.begin(photo, points)
        assert began.wait(10)
        features, message = answer()
        assert features == extractor(photo, points)[0]
        assert 0 < message.runtime < 60

    def test_has_the_features_of_a_subclass_with_its_own_way_to_them(self, photo):
        class Constant(EfficientNetLite0Extractor):
            def patches_to_features(self, patch_list):
                return np.ones((len(patch_list), self.feature_dim), np.float32), False

        assert (Constant().begin(photo, [(20, 30)])()[0].features == 1).all()


def ended_with(child: int) -> int:
    """The exit code of a child process, which is ended if it takes longer than ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


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

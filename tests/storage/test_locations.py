"""The functions over locations: storages by their type, one's own ones, and many locations at once."""

import threading
import time
from queue import SimpleQueue

import pytest

from spacer_like import location, storage
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import DataNotFoundError, InvalidKeyError, StorageUnavailableError
from spacer_like.storage.base import outcomes


@pytest.fixture(autouse=True)
def empty_memory():
    yield
    storage.clear_memory_storage()


def test_memory_is_one_for_the_process_and_can_be_cleared():
    first, second = storage.storage_factory("memory"), storage.storage_factory("memory")
    first.write("key", b"1")
    assert second.read("key") == b"1"
    storage.clear_memory_storage()
    assert not second.exists("key")
    assert not first.exists("key")


def test_an_unknown_type_is_refused():
    with pytest.raises(ValueError, match="'floppy' is unknown: it must be one of s3, filesystem, memory, url"):
        storage.storage_factory("floppy")


@pytest.mark.parametrize("bucket", [None, ""])
def test_s3_needs_a_bucket(bucket):
    with pytest.raises(ValueError, match="bucket_name must be a string for s3 storage"):
        storage.storage_factory("s3", bucket)


def test_locations_are_written_read_listed_and_deleted():
    places = [DataLocation("memory", f"reef/{number}") for number in range(3)]
    for place in places:
        storage.write_bytes(place, place.key.encode())
    assert sorted(storage.list_keys(DataLocation("memory", "reef/")), key=str) == places
    assert storage.exists(places[0])
    storage.delete(places[0])
    assert not storage.exists(places[0])
    assert storage.read_bytes(places[1]) == b"reef/1"


def test_a_storage_of_ones_own(monkeypatch):
    monkeypatch.setattr(location, "STORAGE_TYPES", list(location.STORAGE_TYPES))
    monkeypatch.setattr(storage, "_registered", {})
    made = {}

    class Shelf(type(storage.storage_factory("memory"))):
        pass

    storage.register_storage("shelf", lambda bucket_name: made.setdefault(bucket_name, Shelf()))
    loc = DataLocation("shelf", "book", "left")
    storage.write_bytes(loc, b"1")
    assert made["left"].blobs == {"book": b"1"}
    assert storage.read_bytes(loc) == b"1"
    with pytest.raises(InvalidKeyError, match="'memory' is built in"):
        storage.register_storage("memory", lambda bucket_name: Shelf())


def test_storages_may_be_mixed(tmp_path, moto):
    with moto.settings():
        bucket = moto.make_bucket()
        places = [DataLocation("memory", f"m{number}") for number in range(10)]
        places += [DataLocation("filesystem", f"{tmp_path}/f{number}") for number in range(10)]
        places += [DataLocation("s3", f"s{number}", bucket) for number in range(10)]
        for place in places:
            storage.write_bytes(place, place.uri.encode())
        steps = []
        found = dict(storage.read_many(places, progress=lambda done, total: steps.append((done, total))))
    assert found == {place: place.uri.encode() for place in places}
    assert steps == [(number, 30) for number in range(1, 31)]


def test_progress_knows_no_total_where_there_is_none():
    storage.write_bytes(DataLocation("memory", "0"), b"")
    steps = []
    places = (DataLocation("memory", "0") for _ in range(2))
    assert len(list(storage.read_many(places, progress=lambda *step: steps.append(step)))) == 2
    assert steps == [(1, None), (2, None)]


def test_nothing_is_read_of_no_locations():
    assert list(storage.read_many([])) == []


def test_the_first_error_is_raised():
    storage.write_bytes(DataLocation("memory", "there"), b"1")
    places = [DataLocation("memory", key) for key in ("there", "not there")]
    with pytest.raises(DataNotFoundError, match="'not there'"):
        list(storage.read_many(places))


def test_what_many_hold_is_bounded():
    """A slow consumer slows the reading down: nothing piles up."""
    begun = []
    results = outcomes(lambda item: begun.append(item), iter(range(1000)), 4)
    for taken in range(1, 50):
        next(results)
        time.sleep(0.001)
        assert len(begun) <= taken + 4
    results.close()
    assert len(begun) <= 55


def test_many_are_done_at_once():
    together = threading.Barrier(8, timeout=10)
    assert len(list(outcomes(lambda item: together.wait(), range(16), 8))) == 16


def test_none_at_once_is_one_after_the_other():
    assert [result for _, result in outcomes(lambda item: 2 * item, [1, 2, 3], 0)] == [2, 4, 6]


def test_results_come_in_the_order_of_completion():
    released = threading.Event()

    def work(item):
        if item == 0:
            released.wait(10)
        return item

    results = outcomes(work, [0, 1, 2], 3)
    assert {next(results)[0], next(results)[0]} == {1, 2}
    released.set()
    assert [item for item, _ in results] == [0]


def test_an_error_of_ours_is_a_result_and_another_is_raised():
    def work(item):
        raise StorageUnavailableError("busy") if item else ZeroDivisionError

    assert isinstance(next(iter(outcomes(work, [1], 2)))[1], StorageUnavailableError)
    with pytest.raises(ZeroDivisionError):
        list(outcomes(work, [0, 0, 0], 2))


def test_a_worker_may_be_the_one_that_closes_them():
    """The garbage collector runs in any thread, and there a refused join would be a traceback on the terminal."""
    held, took, closed = [], threading.Event(), SimpleQueue()

    def work(item):
        if item:
            took.wait(10)
            try:
                closed.put(held.pop().close())
            except BaseException as error:
                closed.put(error)

    held.append(outcomes(work, [0, 1], 2))
    assert next(held[0])[0] == 0
    took.set()
    assert closed.get(timeout=10) is None

"""Storage and a job of each family behind a proxy that lets requests to S3 go wrong.

What is done in spite of it has the bytes that it would have without; what is not fails by a transient error.
"""

import time
from contextlib import ExitStack, contextmanager
from random import Random

import pytest

from spacer_like import storage
from spacer_like.exceptions import DataNotFoundError, StorageUnavailableError
from spacer_like.mailman import run_task
from spacer_like.messages import TASKS
from spacer_like.storage import s3_boto, s3_obstore
from spacer_like.testing.fault_proxy import FaultProxy, Faults
from spacer_like.testing.task import without_seconds

from .conftest import LONG_SWEEP, MAIN_TASKS, moved

KINDS = {
    "throttled": Faults(slow_down=0.3),
    "cut off": Faults(cut=0.3),
    "lost": Faults(lost=0.3),
    "reset": Faults(reset=0.3),
    "everything": Faults(slow_down=0.15, reset=0.1, lost=0.1, cut=0.1, late_error=0.1),
}
# A table of images names them by the folder that it was made of, which `suggest_review` does not find in the bucket.
MOVABLE = [name for name in TASKS if name != "suggest_review"]
JOBS = MOVABLE if LONG_SWEEP else [name for names in MAIN_TASKS.values() for name in names]


@pytest.fixture
def quick(monkeypatch):
    """Little time between two tries, and parts of uploads that are small."""
    monkeypatch.setattr(s3_obstore, "_FIRST_BACKOFF", s3_obstore._FIRST_BACKOFF / 10)
    monkeypatch.setattr("botocore.retryhandler.delay_exponential", lambda **details: 0.01)
    for module in (s3_obstore, s3_boto):
        monkeypatch.setattr(module, "_ONE_REQUEST_BYTES", 2**20)
        monkeypatch.setattr(module, "_PART_BYTES", 5 * 2**20)


@pytest.fixture(params=["obstore", "boto3"])
def transport(request, monkeypatch):
    if request.param == "boto3":
        monkeypatch.setattr(s3_obstore, "is_usable", lambda: False)
    return request.param


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read(moto, transport, quick, kind):
    large, small = Random(0).randbytes(6 * 2**20), Random(1).randbytes(3000)
    with FaultProxy(moto.url, KINDS[kind]) as proxy, moto.settings(aws_endpoint_url=proxy.url, transfer_retries=9):
        bucket = storage.storage_factory("s3", moto.make_bucket())
        bucket.write("large", large)
        assert bucket.read("large") == large
        for number in range(5):
            bucket.write(f"{number}", small)
            assert bucket.read(f"{number}") == small
            assert bucket.read_range(f"{number}", 100, 700) == small[100:800]
        assert {key: bucket.size(key) for key in bucket.list()} == {"large": len(large)} | {
            f"{n}": 3000 for n in range(5)
        }
        bucket.delete("0")
        assert not bucket.exists("0")
        with pytest.raises(DataNotFoundError):
            bucket.read("0")
    assert proxy.happened


@contextmanager
def dripping(moto):
    with ExitStack() as stack:
        proxy = stack.enter_context(FaultProxy(moto.url, Faults(drip=1.0)))
        values = {"transfer_retries": 0, "s3_timeout_seconds": 1}
        stack.enter_context(moto.settings(aws_endpoint_url=proxy.url, **values))
        yield


@pytest.mark.parametrize("use", ["read", "read_range"])
def test_an_answer_that_only_drips_ends_by_a_timeout(moto, transport, use):
    name = moto.make_bucket()
    with dripping(moto):
        bucket = storage.storage_factory("s3", name)
        bucket.write("value", bytes(2**17))
        begun = time.monotonic()
        with pytest.raises(StorageUnavailableError, match="did not answer, or broke off"):
            bucket.read("value") if use == "read" else bucket.read_range("value", 1, 2**16)
        assert time.monotonic() - begun < 10


def test_a_list_that_only_drips_ends_by_a_timeout(moto, monkeypatch):
    timely = s3_boto._timely
    monkeypatch.setattr(s3_boto, "_timely", lambda work, seconds, progress: timely(work, seconds / 61, progress))
    name = moto.make_bucket()
    with dripping(moto), pytest.raises(StorageUnavailableError, match="did not answer, or broke off"):
        list(storage.storage_factory("s3", name).list())


@pytest.mark.parametrize("transport", ["obstore", "boto3"], indirect=True)
def test_a_read_that_is_resumed_has_no_parts_of_two_objects(moto, transport, quick):
    name = moto.make_bucket()
    client = moto.client()

    def replaced_after_it_broke_off(method, path, number):
        if method == "GET" and number:
            client.put_object(Bucket=name, Key="value", Body=b"b" * 300_000)
        return "cut" if method == "GET" and not number else None

    with FaultProxy(moto.url) as proxy, moto.settings(aws_endpoint_url=proxy.url):
        bucket = storage.storage_factory("s3", name)
        bucket.write("value", b"a" * 300_000)
        proxy.choose = replaced_after_it_broke_off
        assert bucket.read("value") == b"b" * 300_000
    client.close()


class Bucket:
    """A bucket with what the requests of the world read, and the results of a task in it."""

    def __init__(self, server, world):
        self._client, self._world, self._name = server.client(), world, server.make_bucket()
        self._uploaded = set()

    def request(self, task):
        """A task's request with all its locations in the bucket, where its inputs are."""
        self._world.done(task)
        folder = f"{self._world.folder}/"
        for path in set(self._world.folder.rglob("*")) - self._uploaded:
            self._uploaded.add(path)
            if path.is_file():
                self._client.put_object(Bucket=self._name, Key=str(path).removeprefix(folder), Body=path.read_bytes())
        return moved(self._world, task, "s3", self._name)

    def results(self, task):
        return {key: without_seconds(self._read(key)) for key in self._keys(task)}

    def clear(self, task):
        for key in self._keys(task):
            self._client.delete_object(Bucket=self._name, Key=key)

    def _read(self, key):
        return self._client.get_object(Bucket=self._name, Key=key)["Body"].read()

    def _keys(self, task):
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=f"{task}/")
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]


@pytest.fixture(scope="module")
def bucket(moto, world):
    return Bucket(moto, world)


@pytest.mark.parametrize("task", JOBS)
def test_a_job_has_the_results_that_it_has_without_faults(moto, bucket, quick, task):
    with moto.settings():
        request = bucket.request(task)
        bucket.clear(task)
        answer = run_task(request)
    assert answer.status == "done", answer.error_message
    expected = bucket.results(task)
    for seed in range(max(1, LONG_SWEEP)):
        bucket.clear(task)
        with FaultProxy(moto.url, KINDS["everything"], seed) as proxy, moto.settings(aws_endpoint_url=proxy.url):
            again = run_task(request)
        if again.status == "done":
            assert bucket.results(task) == expected
        else:
            assert again.transient, again.error_message
            assert again.error_message.count("\n") == 0
            assert bucket.results(task).items() <= expected.items()

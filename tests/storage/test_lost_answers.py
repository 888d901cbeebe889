"""Requests that S3 has carried out and whose answer never comes: a client asks again, and finds it done."""

import os
from collections.abc import Iterator

import pytest

from spacer_like import storage
from spacer_like.exceptions import DataNotFoundError, StorageUnavailableError, TransientError
from spacer_like.storage import s3_boto, s3_obstore
from spacer_like.testing.fault_proxy import FaultProxy, ends_upload

DATA = os.urandom(2**20) * 6


@pytest.fixture
def proxy(moto) -> Iterator[FaultProxy]:
    with FaultProxy(moto.url) as made:
        yield made


def lose_first(is_meant):
    """Loses the first answer to each of the requests that are meant."""
    lost = set()

    def choose(method, path, number):
        if not is_meant(method, path) or path in lost:
            return None
        lost.add(path)
        return "lost"

    return choose


@pytest.fixture(params=["obstore", "boto3"])
def bucket(request, moto, proxy, monkeypatch):
    """A bucket behind the proxy; what is larger than 1 MiB travels in parts of 5 MiB."""
    if request.param == "boto3":
        monkeypatch.setattr(s3_obstore, "is_usable", lambda: False)
    for module in (s3_obstore, s3_boto):
        monkeypatch.setattr(module, "_ONE_REQUEST_BYTES", 2**20)
        monkeypatch.setattr(module, "_PART_BYTES", 5 * 2**20)
    name = moto.make_bucket()
    with moto.settings(aws_endpoint_url=proxy.url, transfer_retries=2):
        yield storage.storage_factory("s3", name)


def write(bucket, tmp_path):
    bucket.write("large", DATA)


def write_file(bucket, tmp_path):
    (tmp_path / "large").write_bytes(DATA)
    bucket.write_file("large", tmp_path / "large")


WAYS = {"write": write, "write_file": write_file}


@pytest.mark.parametrize("way", WAYS)
def test_an_upload_whose_last_answer_is_lost_is_done(bucket, proxy, tmp_path, way):
    proxy.choose = lose_first(ends_upload)
    WAYS[way](bucket, tmp_path)
    # It was asked again, and S3 knew no such upload any more.
    assert sum(ends_upload(*request) for request in proxy.requests) == 2
    assert proxy.count("GET", "large") == 0
    assert bucket.read("large") == DATA


@pytest.mark.parametrize("way", WAYS)
def test_bytes_are_compared_where_the_hash_is_another(bucket, proxy, moto, tmp_path, way):
    """As that of an object which S3 encrypts by a key of its own."""

    def encrypt():
        moto_client.put_object(Bucket=bucket.bucket_name, Key="large", Body=DATA)

    moto_client = moto.client()
    proxy.choose, proxy.instead = lose_first(ends_upload), encrypt
    WAYS[way](bucket, tmp_path)
    moto_client.close()
    assert proxy.count("GET", "large") >= 2
    assert bucket.read("large") == DATA


@pytest.mark.parametrize("found", ["another of this size", "a shorter one", "none"])
def test_where_another_object_is_found_the_upload_is_worth_a_retry(bucket, proxy, moto, found):
    def replace():
        if found == "none":
            client.delete_object(Bucket=bucket.bucket_name, Key="large")
        else:
            body = bytes(len(DATA)) if found == "another of this size" else DATA[:-1]
            client.put_object(Bucket=bucket.bucket_name, Key="large", Body=body)

    client = moto.client()
    proxy.choose, proxy.instead = lose_first(ends_upload), replace
    with pytest.raises(StorageUnavailableError, match=r"lost the upload of 's3://.*/large' in parts") as caught:
        bucket.write("large", DATA)
    client.close()
    assert isinstance(caught.value, TransientError)
    assert type(caught.value) is StorageUnavailableError
    proxy.choose = lambda *request: None
    bucket.write("large", DATA)
    assert bucket.read("large") == DATA


def test_other_answers_may_be_lost_as_well(bucket, proxy):
    proxy.choose = lose_first(lambda method, path: True)
    bucket.write("large", DATA)
    bucket.write("small", b"fish")
    assert bucket.read("small") == b"fish"
    assert sorted(bucket.list()) == ["large", "small"]
    bucket.delete("small")
    assert not bucket.exists("small")
    assert bucket.read("large") == DATA


def test_what_a_server_says_is_gone_is_deleted(server, answers, transport_settings):
    server.answers["/reefs/reef.jpg"] = answers.status(404, "NoSuchKey")
    bucket = storage.storage_factory("s3", "reefs")
    bucket.delete("reef.jpg")
    server.answers["/reefs/reef.jpg"] = answers.status(404, "NoSuchBucket")
    with pytest.raises(DataNotFoundError, match="no bucket 'reefs'"):
        bucket.delete("reef.jpg")


@pytest.fixture(params=["obstore", "boto3"])
def transport_settings(request, server, moto, monkeypatch):
    if request.param == "boto3":
        monkeypatch.setattr(s3_obstore, "is_usable", lambda: False)
    with moto.settings(aws_endpoint_url=server.url):
        yield

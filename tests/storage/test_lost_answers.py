"""Requests that S3 has carried out and whose answer never comes: a client asks again, and finds it done."""

import http.client
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from spacer_like import storage
from spacer_like.exceptions import DataNotFoundError, StorageUnavailableError, TransientError
from spacer_like.storage import s3_boto, s3_obstore

DATA = os.urandom(2**20) * 6


def ends_upload(method, path):
    return method == "POST" and "uploadId=" in path


class Proxy:
    """Stands before S3 and passes requests on. Of those that `loses` names the first answer is not passed back."""

    def __init__(self, behind: str) -> None:
        self.loses: Callable[[str, str], bool] = lambda method, path: False
        self.instead: Callable[[], object] = lambda: None
        """Done after the request whose answer is lost."""
        self.requests: list[str] = []
        self._lost: set[str] = set()
        proxy, host = self, urlsplit(behind).netloc

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self) -> None:
                proxy.requests.append(f"{self.command} {self.path}")
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if ends_upload(self.command, self.path) and self.path in proxy._lost:
                    # Amazon forgets an upload that was ended; moto answers the same again.
                    self.reply(404, [], b"<Error><Code>NoSuchUpload</Code></Error>")
                    return
                connection = http.client.HTTPConnection(host, timeout=20)
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                data = answer.read()
                connection.close()
                if proxy.is_lost(self.command, self.path):
                    proxy.instead()
                    self.close_connection = True
                    self.connection.shutdown(2)
                    return
                self.reply(answer.status, answer.getheaders(), data)

            def reply(self, status, headers, data) -> None:
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in ("connection", "transfer-encoding", "content-length", "server", "date"):
                        self.send_header(name, value)
                length = dict(headers).get("Content-Length", "0") if self.command == "HEAD" else str(len(data))
                self.send_header("Content-Length", length)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward

            def log_message(self, *details) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *details) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def is_lost(self, method: str, path: str) -> bool:
        if self.loses(method, path) and path not in self._lost:
            self._lost.add(path)
            return True
        return False

    def count(self, method: str, part: str = "") -> int:
        return sum(request.startswith(f"{method} ") and part in request for request in self.requests)


@pytest.fixture
def proxy(moto) -> Iterator[Proxy]:
    made = Proxy(moto.url)
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


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
    proxy.loses = ends_upload
    WAYS[way](bucket, tmp_path)
    # It was asked again, and S3 knew no such upload any more.
    assert sum(ends_upload(*request.split(" ")) for request in proxy.requests) == 2
    assert proxy.count("GET", "large") == 0
    assert bucket.read("large") == DATA


@pytest.mark.parametrize("way", WAYS)
def test_bytes_are_compared_where_the_hash_is_another(bucket, proxy, moto, tmp_path, way):
    """As that of an object which S3 encrypts by a key of its own."""

    def encrypt():
        moto_client.put_object(Bucket=bucket.bucket_name, Key="large", Body=DATA)

    moto_client = moto.client()
    proxy.loses, proxy.instead = ends_upload, encrypt
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
    proxy.loses, proxy.instead = ends_upload, replace
    with pytest.raises(StorageUnavailableError, match=r"lost the upload of 's3://.*/large' in parts") as caught:
        bucket.write("large", DATA)
    client.close()
    assert isinstance(caught.value, TransientError)
    assert type(caught.value) is StorageUnavailableError
    proxy.loses = lambda method, path: False
    bucket.write("large", DATA)
    assert bucket.read("large") == DATA


def test_other_answers_may_be_lost_as_well(bucket, proxy):
    proxy.loses = lambda method, path: True
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

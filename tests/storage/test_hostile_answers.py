"""What a hostile server says reaches errors short and printable, or not at all."""

import gc
import pickle
import traceback

import pytest

from spacer_like import storage
from spacer_like.config import override
from spacer_like.exceptions import SpacerError, URLDownloadError
from spacer_like.storage import s3_obstore

ESCAPE = "\x1b]0;owned\x07\x1b[2J"
LONG = ESCAPE + "A" * 60_000


def raw(text: str):
    def answer(handler):
        handler.wfile.write(text.encode("latin-1"))
        handler.close_connection = True

    return answer


MOVED = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation:"
ANSWERS = {
    "a status line": f"HTTP/1.1 {LONG}\r\n\r\n",
    "no status line": f"{LONG}\r\n\r\n",
    "a status that is no number": f"HTTP/1.1 {ESCAPE} OK\r\n\r\n",
    "a reason": f"HTTP/1.1 404 {LONG}\r\nContent-Length: 0\r\n\r\n",
    "a version": f"HTTP/{ESCAPE} 200 OK\r\n\r\n",
    "a header": f"HTTP/1.1 404 Not Found\r\n{ESCAPE}: {LONG}\r\nContent-Length: 0\r\n\r\n",
    "a length": f"HTTP/1.1 200 OK\r\nContent-Length: {LONG}\r\n\r\n",
    "a chunk": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{LONG}\r\n",
    "a redirect": f"{MOVED} {'x' * 50_000}://{ESCAPE}\r\n\r\n",
    "a redirect to a host": f"{MOVED} http://{'h' * 50_000}{ESCAPE}/\r\n\r\n",
    "a body of S3": f"HTTP/1.1 400 No\r\nContent-Length: {len(LONG) + 20}\r\n\r\n<Error><Code>{LONG}</Code>",
}


def assert_short_and_printable(error):
    for text in (str(error), "".join(traceback.format_exception_only(error)), str(pickle.loads(pickle.dumps(error)))):
        assert len(text) < 1000
        assert text.replace("\n", "").isprintable()
    assert len(repr(error)) < 1000


@pytest.mark.parametrize("kind", ANSWERS)
def test_of_a_web_server(server, private_urls, kind):
    server.answers["/photo"] = raw(ANSWERS[kind])
    urls = storage.storage_factory("url")
    for use in (urls.read, urls.size, urls.version, urls.open, lambda url: urls.read_range(url, 0, 9)):
        try:
            use(f"{server.url}/photo")
        except SpacerError as error:
            assert_short_and_printable(error)
    with pytest.raises(URLDownloadError) if kind != "a length" else override():
        urls.read(f"{server.url}/photo")


# boto3 leaves a connection open whose answer it cannot read.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("transport", ["obstore", "boto3"])
@pytest.mark.parametrize("kind", ANSWERS)
def test_of_s3(server, monkeypatch, transport, kind):
    if transport == "boto3":
        monkeypatch.setattr(s3_obstore, "is_usable", lambda: False)
    server.answers["/reefs/reef.jpg"] = server.answers["/reefs"] = raw(ANSWERS[kind])
    with override(
        aws_endpoint_url=server.url,
        aws_access_key_id="id",
        aws_secret_access_key="secret",
        aws_region="us-east-1",
        transfer_retries=0,
        s3_timeout_seconds=2,
    ):
        bucket = storage.storage_factory("s3", "reefs")
        uses = {
            "read": lambda: bucket.read("reef.jpg"),
            "write": lambda: bucket.write("reef.jpg", b"1"),
            "delete": lambda: bucket.delete("reef.jpg"),
            "list": lambda: list(bucket.list("reef.jpg")),
        }
        for use in uses.values():
            try:
                use()
            except SpacerError as error:
                assert_short_and_printable(error)
    # Its warning comes now, and not in the midst of another test.
    gc.collect()


def test_a_long_key_is_cut():
    with pytest.raises(SpacerError) as caught:
        storage.storage_factory("filesystem").read(f"{ESCAPE}{'x' * 60_000}")
    assert len(str(caught.value)) < 5000
    assert str(caught.value).isprintable()

"""URLs, which may come from strangers: where they may lead, how long and how large they may be, and what errors say."""

import datetime
import pickle
import socket
import ssl
import time
import traceback

import pytest

from spacer_like import storage
from spacer_like.config import override
from spacer_like.exceptions import (
    DataLimitError,
    ReadOnlyStorageError,
    SpacerInputError,
    TransientError,
    URLDownloadError,
)
from spacer_like.storage import http_connection
from spacer_like.storage.http_connection import is_public

urls = storage.storage_factory("url")


def refused(url, kind=SpacerInputError):
    with pytest.raises(URLDownloadError) as caught:
        urls.read(url)
    assert isinstance(caught.value, kind)
    return str(caught.value)


@pytest.fixture
def stranger(start_server, monkeypatch):
    """A server whose address, 127.0.0.2, counts as one of the public internet."""
    monkeypatch.setattr(http_connection, "is_public", lambda address: address == "127.0.0.2" or is_public(address))
    return start_server("127.0.0.2")


PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946"]
NOT_PUBLIC = {
    "loopback": ["127.0.0.1", "127.9.9.9", "::1"],
    "this network": ["0.0.0.0", "0.1.2.3", "::"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fd00::1", "fc00::1"],
    "link-local": ["169.254.169.254", "fe80::1", "fe80::1%eth0", "fec0::1"],
    "carrier-grade NAT": ["100.64.0.1", "100.127.255.254"],
    "multicast": ["224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1"],
    "broadcast and reserved": ["255.255.255.255", "240.0.0.1"],
    "documentation and tests": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "2001:db8::1", "3fff::1"],
    "protocol assignments": ["192.0.0.1", "192.0.0.9", "192.88.99.1"],
    "IPv4-mapped and -compatible": ["::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1"],
    "6to4": ["2002:7f00:1::", "2002:808:808::1"],
    "Teredo": ["2001:0:7f00:1::1"],
}


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_public_internet(address):
    assert is_public(address)


@pytest.mark.parametrize("address", [address for addresses in NOT_PUBLIC.values() for address in addresses])
def test_other_addresses(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "127.1", "0", "[::1]"),
        *("[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1"),
    ],
)
def test_no_way_of_writing_a_private_address_leads_there(server, answers, host):
    server.answers["/secret"] = answers.ok(b"secret")
    text = refused(f"http://{host}:{server.port}/secret")
    assert "not on the public internet" in text
    assert server.requests == []


def test_the_shortest_number_of_this_machine():
    assert "not on the public internet" in refused("http://2130706433/")


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.org/x", "gopher://127.0.0.1/", "data:,x", "FILE:///x"]
)
def test_only_http_and_https(url):
    text = refused(url)
    assert text.startswith(f"Failed to download from the URL '{url}'. / Details - InvalidKeyError: only http and https")
    assert not urls.exists(url)


@pytest.mark.parametrize(
    "url", ["", "reef.jpg", "http://", "http:///x", "http://[::1", "http://h:99999/", "http://h:x/"]
)
def test_what_is_no_url(url):
    assert refused(url).startswith(f"Failed to download from the URL '{url}'.")
    assert not urls.exists(url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_this_machine_is_not_followed(stranger, server, answers, status):
    server.answers["/secret"] = answers.ok(b"secret")
    stranger.answers["/photo"] = answers.redirect(f"{server.url}/secret", status)
    text = refused(f"{stranger.url}/photo")
    assert text.startswith(f"Failed to download from the URL '{stranger.url}/photo'.")
    assert "'127.0.0.1' leads to the address 127.0.0.1, which is not on the public internet" in text
    assert server.requests == []


def test_a_redirect_to_a_file_is_not_followed(stranger, answers):
    stranger.answers["/photo"] = answers.redirect("file:///etc/passwd")
    assert "only http and https" in refused(f"{stranger.url}/photo")


def test_redirects_are_followed(stranger, answers):
    stranger.answers["/photo"] = answers.redirect("/caf%C3%A9/photo?size=1")
    stranger.answers["/caf%C3%A9/photo"] = answers.redirect(f"{stranger.url}/end")
    stranger.answers["/end"] = answers.ok(b"fish")
    assert urls.read(f"{stranger.url}/photo") == b"fish"


def test_redirects_in_a_circle_end(stranger, answers):
    stranger.answers["/photo"] = answers.redirect("/photo")
    assert "more than 10 redirects" in refused(f"{stranger.url}/photo")
    assert len(stranger.requests) == 11


def test_the_address_that_was_checked_is_the_one_connected_to(stranger, server, answers, monkeypatch):
    """A name whose answer changes from a stranger's address to this machine's is asked once."""
    stranger.answers["/photo"] = answers.ok(b"fish")
    resolved = iter(["127.0.0.2", "127.0.0.1", "127.0.0.1"])
    real = socket.getaddrinfo

    def resolve(host, *arguments, **options):
        return real(next(resolved) if host == "rebinding.test" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert urls.read(f"http://rebinding.test:{stranger.port}/photo") == b"fish"
    assert stranger.requests[0][2]["Host"] == f"rebinding.test:{stranger.port}"
    assert next(resolved) == "127.0.0.1"
    assert "not on the public internet" in refused(f"http://rebinding.test:{stranger.port}/photo")


def test_a_name_with_public_and_private_addresses_leads_to_the_public_one(stranger, answers, monkeypatch):
    stranger.answers["/photo"] = answers.ok(b"fish")
    entry = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    found = [(*entry, (address, stranger.port)) for address in ("127.0.0.1", "127.0.0.2")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: found)
    assert urls.read(f"http://both.test:{stranger.port}/photo") == b"fish"


def test_encrypted_connections_check_the_name(start_server, answers, private_urls, tmp_path, monkeypatch):
    certificate, seen = make_certificate(tmp_path, "photos.test"), []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda connection, name, _: seen.append(name)
    server = start_server(wrap=lambda raw: context.wrap_socket(raw, server_side=True))
    server.answers["/photo"] = answers.ok(b"fish")
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **options: real("127.0.0.1", *rest, **options))
    assert "CERTIFICATE_VERIFY_FAILED" in refused(f"https://photos.test:{server.port}/photo")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert urls.read(f"https://photos.test:{server.port}/photo") == b"fish"
    assert seen[-1] == "photos.test"
    assert server.requests[0][2]["Host"] == f"photos.test:{server.port}"
    assert "CERTIFICATE_VERIFY_FAILED" in refused(f"https://other.test:{server.port}/photo")


def make_certificate(folder, name):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "certificate.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    return path


def test_environment_proxies_are_not_used(server, answers, private_urls, monkeypatch):
    server.answers["/photo"] = answers.ok(b"fish")
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert urls.read(f"{server.url}/photo") == b"fish"


@pytest.mark.usefixtures("private_urls")
class TestDownloads:
    def test_the_body_comes_back(self, server, answers):
        server.answers["/photo"] = answers.ok(bytes(range(256)) * 5000)
        assert urls.read(f"{server.url}/photo") == bytes(range(256)) * 5000
        assert urls.load(f"{server.url}/photo").tell() == 0
        assert urls.size(f"{server.url}/photo") == 1_280_000

    def test_a_body_of_unknown_length_comes_back(self, server):
        def answer(handler):
            handler.send_response(200)
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            handler.wfile.write(b"4\r\nfish\r\n3\r\nand\r\n0\r\n\r\n")

        server.answers["/photo"] = answer
        assert urls.read(f"{server.url}/photo") == b"fishand"

    def test_letters_outside_of_ascii_are_quoted(self, server, answers):
        server.answers["/caf%C3%A9%20photo"] = answers.ok(b"fish")
        assert urls.read(f"{server.url}/café photo?größe=1") == b"fish"
        assert urls.read(f"{server.url}/caf%C3%A9%20photo") == b"fish"
        assert server.requests[0][1] == "/caf%C3%A9%20photo?gr%C3%B6%C3%9Fe=1"

    @pytest.mark.parametrize("knows_ranges", [True, False])
    def test_a_range_is_a_slice(self, server, answers, knows_ranges):
        body = b"0123456789"

        def answer(handler):
            if not knows_ranges or handler.command == "HEAD":
                return answers.respond(handler, 200, body)
            first, last = map(int, handler.headers["Range"].removeprefix("bytes=").split("-"))
            if first >= len(body):
                return answers.respond(handler, 416)
            part = body[first : last + 1]
            return answers.respond(handler, 206, part, Content_Range=f"bytes {first}-{first + len(part) - 1}/10")

        server.answers["/photo"] = answer
        for start, length in ((0, 3), (8, 5), (10, 1), (20, 5), (4, 0)):
            assert urls.read_range(f"{server.url}/photo", start, length) == body[start : start + length]

    def test_existence_is_asked_by_head(self, server, answers):
        server.answers["/photo"] = answers.ok(b"fish")
        server.answers["/moved"] = answers.redirect("/photo")
        server.answers["/dropped"] = answers.drop
        assert urls.exists(f"{server.url}/photo")
        assert urls.exists(f"{server.url}/moved")
        assert not urls.exists(f"{server.url}/dropped")
        assert not urls.exists(f"{server.url}/missing")
        assert not urls.exists("http://127.0.0.1:9/")
        assert server.count("GET") == 0

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
    def test_a_refusal_is_permanent(self, server, answers, status):
        server.answers["/photo"] = answers.status(status)
        text = refused(f"{server.url}/photo")
        assert text.startswith(f"Failed to download from the URL '{server.url}/photo'. / Details - HTTPStatusError:")
        assert f"the server answered {status}" in text

    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
    def test_a_busy_server_is_transient(self, server, answers, status):
        server.answers["/photo"] = answers.status(status)
        assert f"the server answered {status}" in refused(f"{server.url}/photo", TransientError)

    def test_nobody_listening_is_transient(self):
        assert "ConnectionRefusedError" in refused("http://127.0.0.1:9/photo", TransientError)

    def test_no_answer_is_transient(self, server, answers):
        server.answers["/photo"] = answers.drop
        refused(f"{server.url}/photo", TransientError)

    def test_an_answer_that_is_no_http_is_transient(self, server):
        server.answers["/photo"] = lambda handler: handler.wfile.write(b"\0garbage\r\n\r\n")
        assert "BadStatusLine" in refused(f"{server.url}/photo", TransientError)

    def test_a_truncated_body_is_transient(self, server, answers):
        server.answers["/photo"] = answers.cut(5000, 100_000)
        assert refused(f"{server.url}/photo", TransientError) == (
            f"Couldn't read the full response from the URL '{server.url}/photo'."
            " / Details - IncompleteBodyError: 5000 of 100000 bytes came"
        )

    def test_silence_ends(self, server):
        server.answers["/photo"] = lambda handler: time.sleep(30)
        start = time.monotonic()
        with override(url_timeout_seconds=1):
            assert "TimeoutError" in refused(f"{server.url}/photo", TransientError)
        assert time.monotonic() - start < 20

    def test_dripping_ends(self, server, answers):
        """A server that sends a byte now and then is never silent."""
        server.answers["/photo"] = answers.endless(pause=0.1, piece=b"x")
        start = time.monotonic()
        with override(url_total_timeout_seconds=1):
            text = refused(f"{server.url}/photo", TransientError)
        assert text.startswith("Couldn't read the full response")
        assert "took too long" in text
        assert time.monotonic() - start < 20

    def test_dripping_headers_end(self, server):
        def answer(handler):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for number in range(50):
                handler.wfile.write(f"X-{number}: 1\r\n".encode())
                handler.wfile.flush()
                time.sleep(0.1)

        server.answers["/photo"] = answer
        with override(url_total_timeout_seconds=1):
            assert "took too long" in refused(f"{server.url}/photo", TransientError)

    def test_a_body_without_end_is_left(self, server, answers):
        server.answers["/photo"] = answers.endless()
        with override(max_download_bytes=1_000_000), pytest.raises(DataLimitError, match="more than 1000000 bytes"):
            urls.read(f"{server.url}/photo")

    def test_a_body_announced_as_too_large_is_not_begun(self, server, answers):
        server.answers["/photo"] = answers.ok(b"", Content_Length="1000001")
        with override(max_download_bytes=1_000_000), pytest.raises(DataLimitError, match="MAX_DOWNLOAD_BYTES"):
            urls.read(f"{server.url}/photo")

    def test_the_limit_itself_is_allowed(self, server, answers):
        server.answers["/photo"] = answers.ok(b"x" * 1000)
        with override(max_download_bytes=1000):
            assert len(urls.read(f"{server.url}/photo")) == 1000

    def test_passwords_and_queries_are_used_but_not_shown(self, server, answers):
        server.answers["/photo"] = answers.status(404)
        url = f"http://diver:pass%40word@127.0.0.1:{server.port}/photo?signature=hidden"
        with pytest.raises(URLDownloadError) as caught:
            urls.read(url)
        text = "".join(traceback.format_exception(caught.value))
        assert f"'http://127.0.0.1:{server.port}/photo?...'" in text
        assert not any(secret in text for secret in ("diver", "pass%40word", "pass@word", "hidden"))
        assert server.requests[0][2]["Authorization"] == "Basic ZGl2ZXI6cGFzc0B3b3Jk"
        assert server.requests[0][1] == "/photo?signature=hidden"

    def test_a_password_stays_with_its_server(self, server, start_server, answers):
        other = start_server()
        server.answers["/photo"] = answers.redirect(f"{other.url}/photo")
        other.answers["/photo"] = answers.ok(b"fish")
        assert urls.read(f"http://diver:word@127.0.0.1:{server.port}/photo") == b"fish"
        assert "Authorization" not in other.requests[0][2]

    def test_the_error_travels_between_processes(self, server, answers):
        with pytest.raises(URLDownloadError) as caught:
            urls.read(f"{server.url}/missing")
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_name_that_does_not_exist_is_permanent(monkeypatch):
    def unknown(*arguments, **options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "gaierror" in refused("http://no-such-reef.test/")


def test_urls_are_only_read():
    for use in (
        lambda: urls.write("http://h/", b"1"),
        lambda: urls.delete("http://h/"),
        lambda: urls.list("http://h/"),
    ):
        with pytest.raises(ReadOnlyStorageError):
            use()
    with pytest.raises(TypeError, match="Store operation not supported for URL storage"):
        urls.write("http://h/", b"1")

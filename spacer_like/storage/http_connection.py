"""An HTTP connection to a checked address.

The name is resolved once, the addresses are checked, and the connection goes to a checked one: a name that answers
another address the second time leads nowhere. Proxies of the environment are not used, because they would resolve the
name themselves. Loading a body ends at a deadline, however slowly the server drips.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from urllib.parse import SplitResult, quote, unquote, urlsplit

from spacer_like.exceptions import InvalidKeyError

# Routable, but for the machinery of the network itself: protocol assignments, and relays of 6to4.
_REFUSED_IPV4 = [IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24")]
_IPV6_UNICAST = IPv6Network("2000::/3")
# Teredo and other protocol assignments, 6to4: an IPv4 address may hide in them. The others are for documentation.
_REFUSED_IPV6 = [
    IPv6Network("2001::/23"),
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),
    IPv6Network("3fff::/20"),
]


def is_public(address: str) -> bool:
    """Whether an IP address belongs to a host of the public internet.

    Private, loopback, link-local, shared (carrier-grade NAT), multicast and reserved addresses do not; of IPv6 only
    global unicast does, which excludes IPv4-mapped addresses and NAT64, and of that neither 6to4 nor Teredo.
    """
    # A link-local IPv6 address may carry the name of an interface.
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv4Address):
        is_ordinary = ip.is_global and not ip.is_multicast and not ip.is_reserved
        return is_ordinary and not any(ip in network for network in _REFUSED_IPV4)
    return ip in _IPV6_UNICAST and ip.is_global and not any(ip in network for network in _REFUSED_IPV6)


_ADDRESSES_TRIED = 4
_PATH_LETTERS = "/%:@!$&'()*+,;=~-._"
_QUERY_LETTERS = _PATH_LETTERS + "?[]"


class Deadline:
    """The moment at which a download ends, finished or not."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def seconds_left(self) -> float:
        return self._end - time.monotonic()

    def check(self) -> None:
        if self.seconds_left <= 0:
            raise TimeoutError("the whole download took too long")


class CheckedConnection(http.client.HTTPConnection):
    """A connection to the host of a URL, by an address that `is_public`, or by any if private ones are allowed.

    Args:
        timeout: seconds of silence after which it gives up.
        deadline: when it is cut, inside the context `bounded`.
    """

    def __init__(self, url: SplitResult, timeout: float, deadline: Deadline, allow_private: bool) -> None:
        self._deadline = deadline
        self._is_encrypted = url.scheme == "https"
        host = _ascii_host(url)
        super().__init__(host, url.port or (443 if self._is_encrypted else 80), timeout=timeout)
        self._allow_private = allow_private
        # The base class forgets its socket when the answer announces that the connection ends with the body.
        self._to_cut: socket.socket | None = None
        if self._is_encrypted:
            # The port that goes without saying in the header Host.
            self.default_port = 443

    def connect(self) -> None:
        error: OSError | None = None
        for family, address in self._checked_addresses():
            raw = socket.socket(family, socket.SOCK_STREAM)
            raw.settimeout(self.timeout)
            self.sock = self._to_cut = raw
            try:
                # Before and after: a socket that is not yet connected cannot be cut.
                self._deadline.check()
                raw.connect(address)
                self._deadline.check()
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._is_encrypted:
                    context = ssl.create_default_context()
                    self.sock = context.wrap_socket(raw, server_hostname=self.host, do_handshake_on_connect=False)
                    self._to_cut = self.sock
                    self.sock.do_handshake()
                return
            except OSError as failure:
                error = failure
                self.close()
        raise error or OSError("the name has no address")

    def _checked_addresses(self) -> Sequence[tuple[socket.AddressFamily, tuple[str, int]]]:
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = [(family, (str(address[0]), self.port)) for family, _, _, _, address in found]
        allowed = [entry for entry in addresses if self._allow_private or is_public(entry[1][0])]
        if addresses and not allowed:
            raise InvalidKeyError(
                f"'{self.host}' leads to the address {addresses[0][1][0]}, which is not on the public internet."
            )
        return allowed[:_ADDRESSES_TRIED]

    @contextmanager
    def bounded(self) -> Iterator[None]:
        """Raise a `TimeoutError` in whatever waits on this connection at the deadline."""
        timer = threading.Timer(max(self._deadline.seconds_left, 0), self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        except Exception:
            self._deadline.check()
            raise
        finally:
            timer.cancel()
        self._deadline.check()

    def _cut(self) -> None:
        if self._to_cut is not None:
            with suppress(OSError):
                # The method of an encrypted socket would also take the encryption down under the thread that uses it.
                socket.socket.shutdown(self._to_cut, socket.SHUT_RDWR)


def _ascii_host(url: SplitResult) -> str:
    host = url.hostname or ""
    if host.isascii():
        return host
    return host.encode("idna").decode("ascii")


def parsed(url: str) -> SplitResult:
    """The parts of a URL that may be fetched.

    Raises:
        InvalidKeyError: not a URL of http or https with a host.
    """
    try:
        parts = urlsplit(url)
        # Reading the port checks it.
        is_complete = bool(parts.hostname) and parts.port != 0
    except ValueError:
        # What Python says of it may repeat a password.
        raise InvalidKeyError("its host or port is malformed") from None
    if parts.scheme not in ("http", "https"):
        raise InvalidKeyError(f"only http and https can be fetched, not '{_scheme(url) or 'a text without a scheme'}'")
    if not is_complete:
        raise InvalidKeyError("the URL names no host")
    return parts


def _scheme(url: str) -> str:
    """The scheme of a URL if it may be shown: the text before a colon may be a user name or a password."""
    found = re.match(r"[a-z0-9+.-]{1,20}(?=:)", url, re.IGNORECASE | re.ASCII)
    return found[0] if found and "@" not in url else ""


def request_target(url: SplitResult) -> str:
    """The path and query as they are sent: letters that a request may not hold are quoted, others stay as they are."""
    path = quote(url.path or "/", safe=_PATH_LETTERS)
    return f"{path}?{quote(url.query, safe=_QUERY_LETTERS)}" if url.query else path


def request_headers(url: SplitResult) -> Mapping[str, str]:
    headers = {"User-Agent": "spacer-like", "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"}
    if url.username is not None:
        pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    return headers

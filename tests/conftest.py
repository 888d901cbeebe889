"""What all tests share: hypothesis' profile, a folder for what numba compiles, and real S3 servers.

The servers are `moto_server` (semantics) and `rclone serve s3` (signatures, load).
"""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import hypothesis
import pytest

import spacer_like
from spacer_like import config
from spacer_like.testing.killing import Killing

# A busy machine is no fault of the code: how long an example takes says nothing. What hangs, pytest-timeout ends.
hypothesis.settings.register_profile(
    "spacer_like", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("spacer_like")

ACCESS_KEY, SECRET_KEY = "spacer-test-access-key", "spacer-test-secret-key"
OTHER_ACCESS_KEY, OTHER_SECRET_KEY = "spacer-test-other-key", "spacer-test-other-secret"


def folder_of_compiled_code() -> Path:
    """A folder for what numba compiles of these very sources.

    numba itself compares a function's own file alone, and not those that it calls or takes constants from.
    """
    digest = hashlib.sha256()
    for path in sorted((Path(spacer_like.__file__).parent / "rarity").rglob("*.py")):
        digest.update(path.read_bytes())
    folder = Path(__file__).parent.parent / ".pytest_cache" / "numba" / digest.hexdigest()[:16]
    folder.mkdir(0o700, parents=True, exist_ok=True)
    return folder


# A shell's background jobs ignore it, and so would the processes that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Before numba is imported, and for the processes that tests start.
os.environ["NUMBA_CACHE_DIR"] = str(folder_of_compiled_code())


@dataclass(frozen=True)
class S3Server:
    """An S3 server of this machine."""

    url: str
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY

    def settings(self, **values):
        """The settings under which S3 is this server, inside a ``with``."""
        own = {
            "aws_endpoint_url": self.url,
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
            "aws_region": "us-east-1",
        }
        return config.override(**(own | values))

    def client(self):
        """A boto3 client of it."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
        )

    def make_bucket(self) -> str:
        """The name of a new, empty bucket."""
        name = f"bucket-{uuid4().hex[:12]}"
        client = self.client()
        client.create_bucket(Bucket=name)
        client.close()
        return name


@contextmanager
def running(command: Callable[[int], list[str]], log: Path) -> Iterator[str]:
    """A server process on a free port; its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("wb") as output:
        process = subprocess.Popen(command(port), stdout=output, stderr=output, env=plain_environment())
    try:
        wait_for(process, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def wait_for(process: subprocess.Popen, port: int, log: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"{process.args[0]} did not start: {log.read_text(errors='replace')}")


def plain_environment() -> dict[str, str]:
    """This process's environment without what it says about AWS and rclone."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RCLONE_", "SPACER_"))}


def program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


@pytest.fixture(scope="session")
def moto(tmp_path_factory) -> Iterator[S3Server]:
    """An S3 with Amazon's semantics. It does not check signatures."""

    log = tmp_path_factory.mktemp("moto") / "log"
    with running(lambda port: [program("moto_server"), "-H", "127.0.0.1", "-p", str(port)], log) as url:
        yield S3Server(url)


@pytest.fixture(scope="session")
def rclone(tmp_path_factory) -> Iterator[S3Server]:
    """A fast S3 that checks signatures. Its buckets are folders, its keys are paths."""
    folder = tmp_path_factory.mktemp("rclone")
    buckets = folder / "buckets"
    buckets.mkdir()

    def command(port: int) -> list[str]:
        keys = [f"{ACCESS_KEY},{SECRET_KEY}", f"{OTHER_ACCESS_KEY},{OTHER_SECRET_KEY}"]
        options = [option for pair in keys for option in ("--auth-key", pair)]
        address = f"127.0.0.1:{port}"
        empty = str(folder / "rclone.conf")
        return [program("rclone"), "serve", "s3", "--config", empty, "--addr", address, *options, str(buckets)]

    with running(command, folder / "log") as url:
        yield S3Server(url)


@pytest.fixture(scope="session")
def session_killing() -> Iterator[Killing]:
    """The process whose children are killed; it takes seconds to begin."""
    with pytest.MonkeyPatch.context() as patch:
        # Threads that spin while they wait take long where others need the cores.
        patch.setenv("OMP_WAIT_POLICY", "PASSIVE")
        killing = Killing(("spacer_like.testing",))
    with killing:
        yield killing

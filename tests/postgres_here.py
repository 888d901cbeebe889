"""A real PostgreSQL in a temporary folder, for the time of the tests; no more than a socket in the folder leads to it.

It is Debian's, the newest below /usr/lib/postgresql, or one that was unpacked (packages postgresql-15 and libpq5) into
the folder that the environment variable POSTGRES_ROOT names.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

USER = "tests"
"""The database's superuser, who needs no password."""
_SECONDS_TO_BEGIN = 30.0


def missing() -> str:
    """Why there is no PostgreSQL to be tested; '': there is one."""
    if find_spec("psycopg") is None:
        return "psycopg is not installed: make test-django has it"
    if not _programs():
        return "there is no PostgreSQL here: install Debian's postgresql, or unpack it below POSTGRES_ROOT"
    return ""


@contextmanager
def postgres() -> Iterator[str]:
    """Start a server; the folder of its socket, which psycopg takes as a host's name."""
    folder = Path(mkdtemp(prefix="postgres-", dir="/tmp"))
    as_user = _other_user(folder)
    programs = _programs()
    assert programs is not None
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": folder,
        # What is lost when the machine fails is of no use.
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "dynamic_shared_memory_type": "mmap",
    }
    command = [programs / "postgres", "-D", folder / "data", *(f"--{name}={value}" for name, value in settings.items())]
    try:
        _make_cluster(programs, folder, as_user)
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **as_user)
        try:
            _wait(programs, folder, server, as_user)
            yield str(folder)
        finally:
            # A fast shutdown, which ends what is connected.
            server.send_signal(signal.SIGINT)
            server.wait(30)
    finally:
        shutil.rmtree(folder)


def _make_cluster(programs: Path, folder: Path, as_user: dict[str, Any]) -> None:
    options = ["--auth=trust", f"--username={USER}", "--encoding=UTF8", "--locale=C", "--no-sync"]
    made = subprocess.run(
        [programs / "initdb", "-D", folder / "data", *options], cwd=folder, capture_output=True, text=True, **as_user
    )
    if made.returncode:
        raise RuntimeError(f"PostgreSQL's files cannot be made: {made.stdout}{made.stderr}")


def _wait(programs: Path, folder: Path, server: subprocess.Popen[bytes], as_user: dict[str, Any]) -> None:
    asking = [programs / "pg_isready", "--host", folder, "--username", USER, "--dbname", "postgres"]
    last = time.monotonic() + _SECONDS_TO_BEGIN
    while subprocess.run(asking, cwd=folder, capture_output=True, **as_user).returncode:
        if server.poll() is not None or time.monotonic() > last:
            raise RuntimeError(f"PostgreSQL does not begin: {(folder / 'log').read_text()}")
        time.sleep(0.05)


def _programs() -> Path | None:
    roots = [os.environ["POSTGRES_ROOT"]] if "POSTGRES_ROOT" in os.environ else ["/"]
    found = [path.parent for root in roots for path in Path(root).glob("usr/lib/postgresql/*/bin/postgres")]
    return max(found, key=lambda path: int(path.parent.name), default=None)


def _other_user(folder: Path) -> dict[str, Any]:
    """Arguments of subprocess: the server refuses to run as root, and another user then owns the folder."""
    libraries = [str(path) for path in Path(os.getenv("POSTGRES_ROOT", "/none")).glob("usr/lib/*-linux-gnu")]
    libraries = list(filter(None, [*libraries, os.getenv("LD_LIBRARY_PATH", "")]))
    environment = {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(libraries)} if libraries else dict(os.environ)
    if os.geteuid():
        return {"env": environment}
    names = {one.pw_name: one for one in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"env": environment, "user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

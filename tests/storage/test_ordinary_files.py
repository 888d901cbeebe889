"""What is no ordinary file: pipes, sockets, devices, what the system makes up. Nobody waits for it or reads it."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from spacer_like import storage
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import DataLimitError, InvalidKeyError
from spacer_like.storage import cached_file
from spacer_like.storage.ordinary_files import open_ordinary, ordinary_files

files = storage.storage_factory("filesystem")


@pytest.fixture(autouse=True)
def nobody_waits():
    """Ends a test that waits for the other end of a pipe."""

    def give_up(*_):
        raise TimeoutError("it waits")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


MADE = {
    "pipe": lambda path: os.mkfifo(path),
    "link to a pipe": lambda path: (os.mkfifo(f"{path}-pipe"), path.symlink_to(f"{path}-pipe")),
    "socket": make_socket,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "process": lambda path: path.symlink_to("/proc/self/status"),
}


@pytest.fixture(params=MADE)
def strange(request, tmp_path, monkeypatch):
    """The path of what is no ordinary file."""
    # The name of a socket may not be long.
    monkeypatch.chdir(tmp_path)
    path = Path("reef.jpg")
    MADE[request.param](path)
    return path


READING = {
    "read": files.read,
    "read_range": lambda key: files.read_range(key, 0, 10),
    "a range of nothing": lambda key: files.read_range(key, 0, 0),
    "open": lambda key: files.open(key),
    "load": files.load,
    "write_file": lambda key: files.write_file("copy", key),
    "write_file to memory": lambda key: storage.write_file(DataLocation("memory", "copy"), key),
    "cached_file": lambda key: cached_file(DataLocation("filesystem", key), "0" * 64, ""),
    "open_ordinary": open_ordinary,
}


@pytest.mark.parametrize("use", READING)
def test_what_is_no_ordinary_file_is_not_read(strange, use):
    with pytest.raises(InvalidKeyError, match=r"'reef\.jpg' is .* and no ordinary file: name a file\."):
        READING[use](str(strange))
    assert not os.path.exists("copy")


@pytest.mark.parametrize("use", ["size", "version"])
def test_what_is_no_ordinary_file_has_no_size(strange, use):
    if strange.is_file():
        pytest.skip("the system says that it is one, of no bytes")
    with pytest.raises(InvalidKeyError, match=r"'reef\.jpg' is .* and no ordinary file"):
        getattr(files, use)("reef.jpg")
    assert not files.exists("reef.jpg")


WRITING = {
    "write": lambda key: files.write(key, b"1"),
    "write_many": lambda key: files.write_many([(key, [b"1"])]),
    "write_file": lambda key: files.write_file(key, "source"),
    "temporary_file": lambda key: files.temporary_file(key).__enter__(),
    "delete": files.delete,
}


@pytest.mark.parametrize("use", WRITING)
@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_what_is_no_ordinary_file_is_neither_replaced_nor_deleted(tmp_path, monkeypatch, kind, use):
    monkeypatch.chdir(tmp_path)
    MADE[kind](Path("reef.jpg"))
    Path("source").write_bytes(b"1")
    with pytest.raises(InvalidKeyError, match=rf"'reef\.jpg' is a {kind} and no ordinary file"):
        WRITING[use]("reef.jpg")
    assert not os.path.isfile("reef.jpg")
    assert sorted(os.listdir()) == ["reef.jpg", "source"]


def test_standard_output_is_no_place_for_a_result(capfd):
    reader, writer = os.pipe()
    try:
        with pytest.raises(InvalidKeyError, match="is a pipe and no ordinary file"):
            files.write(f"/dev/fd/{writer}", b"1")
    finally:
        os.close(reader)
        os.close(writer)


def test_only_ordinary_files_are_listed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("photos")
    for name, make in MADE.items():
        if name != "process":
            make(Path("photos") / name.replace(" ", "-"))
    Path("photos/broken").symlink_to("nowhere")
    Path("photos/loop").symlink_to("loop")
    Path("photos/inside-itself").symlink_to(".")
    Path("photos/1.jpg").write_bytes(b"1")
    Path("photos/link").symlink_to("1.jpg")
    Path("photos/.spacer-0123456789abcdef.unfinished").write_bytes(b"1")
    assert sorted(files.list("photos/")) == ["photos/1.jpg", "photos/link"]
    assert sorted(ordinary_files("photos")) == ["1.jpg", "link"]


def test_a_link_to_an_ordinary_file_is_read(tmp_path):
    (tmp_path / "real").write_bytes(b"fish")
    (tmp_path / "link").symlink_to("real")
    assert files.read(f"{tmp_path}/link") == b"fish"


def test_an_empty_file_is_an_ordinary_one(tmp_path):
    (tmp_path / "empty").touch()
    assert files.read(f"{tmp_path}/empty") == b""
    with files.open(f"{tmp_path}/empty") as file:
        assert file.read() == b""


def test_a_file_larger_than_memory_is_refused(tmp_path):
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(2**42)
    code = (
        "import resource, sys\n"
        "from spacer_like.storage import storage_factory\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))\n"
        "try: storage_factory('filesystem').read(sys.argv[1])\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    command = [sys.executable, "-c", code, f"{tmp_path}/huge"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith(DataLimitError.__name__)
    assert f"/huge' has {2**42} bytes, more than fit into memory." in said


def test_no_descriptor_stays_open(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(InvalidKeyError):
            files.read(f"{tmp_path}/pipe")
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_is_read_by_its_path_is_opened_by_one_function():
    own = {
        "config.py": "the settings file may be a pipe: programs that hand out secrets make it one",
        "efficientnet_lite.py": "weights of an installed package",
        "feature_reading.py": "copies in a temporary folder of its own",
        "osm_current.py": "a temporary file of its own",
        "stacks.py": "a temporary file of its own",
        "task.py": "results of a task under test, in a folder of its own",
        "examples/__init__.py": "files of the package, and what was found to be an ordinary file",
    }
    reading = re.compile(
        r"\.read_bytes\(\)|\.open\(\"rb\"\)|(?<![\w.])open\([^)]*\"rb\"|SECRETS_PATH\.read_text|np\.load\("
    )
    package = Path(storage.__file__).parent.parent

    def name_of(path):
        return f"{path.parent.name}/{path.name}" if path.name == "__init__.py" else path.name

    found = {name_of(path) for path in package.rglob("*.py") if reading.search(path.read_text(encoding="utf-8"))}
    assert found == {*own, "ordinary_files.py"}

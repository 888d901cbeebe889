"""Files: written whole or not at all, whatever happens to the writer."""

import errno
import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spacer_like import storage
from spacer_like.exceptions import AccessDeniedError, DataNotFoundError, InvalidKeyError, StorageUnavailableError

files = storage.storage_factory("filesystem")

# Writes letters of which every value has one kind only, so that a torn one would show.
WRITER = """
import sys
from spacer_like.storage import storage_factory
files = storage_factory("filesystem")
letters = sys.argv[2].encode()
while True:
    for letter in letters:
        files.write(sys.argv[1], bytes([letter]) * 4_000_000)
        print("written", flush=True)
"""


def start_writer(key, letters="abc"):
    return subprocess.Popen([sys.executable, "-c", WRITER, str(key), letters], stdout=subprocess.PIPE)


def stop(process):
    process.kill()
    process.stdout.close()
    process.wait()


def assert_whole(data):
    assert len(data) == 4_000_000
    assert len(set(data)) == 1


@pytest.mark.parametrize("batch", range(4))
def test_a_writer_that_is_killed_leaves_no_torn_file(tmp_path, batch):
    """Twenty writers in all are killed at moments that differ."""
    moments = random.Random(batch)
    keys = [tmp_path / str(number) / "value" for number in range(5)]
    writers = [start_writer(key) for key in keys]
    try:
        for writer in writers:
            assert writer.stdout.readline() == b"written\n"
        for writer in writers:
            time.sleep(moments.uniform(0, 0.03))
            writer.send_signal(signal.SIGKILL)
    finally:
        for writer in writers:
            stop(writer)
    for key in keys:
        assert_whole(files.read(str(key)))
        # What the killed one had begun is no result.
        assert list(files.list(f"{key.parent}/")) == [str(key)]
        files.write(str(key), b"the next writer is not disturbed")


def test_of_two_processes_that_write_the_same_result_one_wins_whole(tmp_path):
    key = tmp_path / "value"
    writers = [start_writer(key, letter) for letter in "ab"]
    try:
        for writer in writers:
            writer.stdout.readline()
        seen = set()
        for _ in range(10):
            data = files.read(str(key))
            assert_whole(data)
            seen.add(data[:1])
    finally:
        for writer in writers:
            stop(writer)
    assert seen <= {b"a", b"b"}


def test_folders_are_made_as_needed(tmp_path):
    files.write(f"{tmp_path}/a/b/c.txt", b"1")
    assert (tmp_path / "a/b/c.txt").read_bytes() == b"1"


def test_a_failed_write_leaves_the_old_value_and_nothing_else(tmp_path):
    key = f"{tmp_path}/value"
    files.write(key, b"old")
    with pytest.raises(TypeError):
        files.write(key, "a text has no bytes")
    assert files.read(key) == b"old"
    assert os.listdir(tmp_path) == ["value"]


def test_new_files_follow_the_umask_and_old_ones_keep_their_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        files.write(f"{tmp_path}/new", b"1")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    (tmp_path / "new").chmod(0o604)
    files.write(f"{tmp_path}/new", b"2")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o604


def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    files.write(f"{tmp_path}/link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_keys_may_be_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files.write("notes/first.txt", b"1")
    files.write("second.txt", b"2")
    assert sorted(files.list()) == ["notes/first.txt", "second.txt"]
    assert list(files.list("notes/")) == ["notes/first.txt"]
    assert sorted(files.list("./")) == ["./notes/first.txt", "./second.txt"]


def read_much(key):
    # Some systems tell a folder's end to be at 2**63 - 1: nothing may be reserved for it.
    files.read_range(key, 0, 2**62)


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "folder").mkdir()
    for key in (f"{tmp_path}/folder", f"{tmp_path}/folder/"):
        for use in (files.read, files.delete, files.size, read_much, lambda key: files.write(key, b"1")):
            with pytest.raises(InvalidKeyError, match=r"folder/?' is a folder: name a file in it"):
                use(key)
    assert not files.exists(f"{tmp_path}/folder")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_bytes(b"1")
    with pytest.raises(InvalidKeyError, match="through a file as if that were a folder"):
        files.write(f"{tmp_path}/file/inside", b"1")
    with pytest.raises(DataNotFoundError):
        files.read(f"{tmp_path}/file/inside")


def test_a_name_may_be_too_long(tmp_path):
    with pytest.raises(InvalidKeyError, match="cannot be the name of a file"):
        files.write(f"{tmp_path}/{'x' * 300}", b"1")


def test_devices_are_not_replaced():
    with pytest.raises(InvalidKeyError, match="no ordinary file"):
        files.write("/dev/null", b"1")
    assert not os.path.isfile("/dev/null")


def test_names_of_unfinished_files_are_no_keys(tmp_path):
    with pytest.raises(InvalidKeyError, match="unfinished files are called so"):
        files.write(f"{tmp_path}/.spacer-0123456789abcdef.unfinished", b"1")


def test_a_full_disk_is_worth_a_retry(tmp_path):
    code = (
        "import resource, signal, sys\n"
        "from spacer_like.storage import storage_factory\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: storage_factory('filesystem').write(sys.argv[1], b'x' * 5000)\n"
        "except Exception as error: print(type(error).__name__)\n"
    )
    run = subprocess.run([sys.executable, "-c", code, f"{tmp_path}/value"], capture_output=True, text=True, check=True)
    assert run.stdout == f"{StorageUnavailableError.__name__}\n"
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_permissions_that_forbid_are_told(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(AccessDeniedError, match="permissions"):
        files.write(f"{tmp_path}/value", b"1")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_permissions_that_forbid_are_told_to_others_than_root(tmp_path):
    code = (
        "import os, sys\n"
        "from spacer_like.storage import storage_factory\n"
        "os.setuid(65534)\n"
        "for use in (lambda f: f.read('/etc/shadow'), lambda f: f.write('/etc/value', b'1')):\n"
        "    try: use(storage_factory('filesystem'))\n"
        "    except Exception as error: print(type(error).__name__)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == f"{AccessDeniedError.__name__}\n" * 2


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")
def test_a_folder_that_takes_no_files_is_told_before_anything_is_made_for_it():
    with pytest.raises(InvalidKeyError, match=r"^No file can be made at '/proc/self/new': its folder takes none\.$"):
        files.write("/proc/self/new", b"fish")
    with (
        pytest.raises(InvalidKeyError, match=r"^No file can be made at '/proc/self/new'"),
        files.temporary_file("/proc/self/new"),
    ):
        pytest.fail("the work begins")


def test_what_cannot_be_removed_in_the_end_hides_no_error(tmp_path, monkeypatch):
    def refuse(self, missing_ok=False):
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    def work():
        with files.temporary_file(str(tmp_path / "value")):
            monkeypatch.setattr(Path, "unlink", refuse)
            raise StorageUnavailableError("the reason")

    with pytest.raises(StorageUnavailableError, match="the reason"):
        work()

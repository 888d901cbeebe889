"""Copies of remote files: checked, told apart, and fetched once however many processes want them."""

import hashlib
import os
import subprocess
import sys
import time

import pytest

from spacer_like import storage
from spacer_like.config import override
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import DataNotFoundError, HashMismatchError, URLDownloadError
from spacer_like.storage import cached_file
from spacer_like.storage.cache import cached_path

DATA = b"weights" * 1000
HASH = hashlib.sha256(DATA).hexdigest()

pytestmark = pytest.mark.usefixtures("private_urls")


@pytest.fixture
def weights(server, answers):
    server.answers["/weights.pt"] = answers.ok(DATA)
    return DataLocation("url", f"{server.url}/weights.pt")


def test_a_file_is_fetched_once(weights, server, tmp_path):
    path, loaded_remotely = cached_file(weights, HASH, tmp_path / "new folder")
    assert (path.read_bytes(), loaded_remotely) == (DATA, True)
    assert cached_file(weights, HASH.upper(), tmp_path / "new folder") == (path, False)
    assert cached_file(weights, None, tmp_path / "new folder") == (path, False)
    assert server.count("GET") == 1


def test_wrong_bytes_are_not_kept(weights, tmp_path):
    with pytest.raises(HashMismatchError, match=rf"weights\.pt' does not hold the announced bytes: .*{HASH}, not 0+"):
        cached_file(weights, "0" * 64, tmp_path)
    assert not cached_path(weights, tmp_path).exists()


def test_an_older_copy_is_not_kept_where_the_bytes_have_become_wrong(weights, server, answers, tmp_path):
    path, _ = cached_file(weights, HASH, tmp_path)
    path.write_bytes(b"damaged")
    server.answers["/weights.pt"] = answers.ok(b"another version")
    with pytest.raises(HashMismatchError):
        cached_file(weights, HASH, tmp_path)
    assert not path.exists()


def test_a_damaged_copy_is_fetched_again(weights, server, tmp_path):
    path, _ = cached_file(weights, HASH, tmp_path)
    for damage in (b"", DATA[:-1] + b"!", DATA[:100]):
        path.write_bytes(damage)
        assert cached_file(weights, HASH, tmp_path) == (path, True)
        assert path.read_bytes() == DATA
    assert server.count("GET") == 4


def test_a_copy_of_another_version_is_fetched_again(weights, server, answers, tmp_path):
    server.answers["/weights.pt"] = answers.ok(b"old")
    cached_file(weights, hashlib.sha256(b"old").hexdigest(), tmp_path)
    server.answers["/weights.pt"] = answers.ok(DATA)
    assert cached_file(weights, HASH, tmp_path)[0].read_bytes() == DATA


def test_equal_names_in_different_places_are_different_files(moto, tmp_path):
    with moto.settings():
        buckets = [moto.make_bucket(), moto.make_bucket()]
        locations = [DataLocation("s3", "folder/weights.pt", bucket) for bucket in buckets]
        for location in locations:
            storage.write_bytes(location, location.bucket_name.encode())
        for location in locations:
            assert cached_file(location, None, tmp_path)[0].read_bytes() == location.bucket_name.encode()
        for bucket in buckets:
            loaded = storage.storage_factory("s3", bucket).load("folder/weights.pt", str(tmp_path))
            assert (loaded.tell(), loaded.read()) == (0, bucket.encode())


@pytest.mark.parametrize(
    "key",
    ["/etc/passwd", "a\\..\\b", "http://h/../../up", "http://h/" + "x" * 500, "http://h/.hidden", "http://h/ü?q=/"],
)
def test_no_copy_lies_outside_of_the_folder(tmp_path, key):
    location = DataLocation("url", key)
    assert cached_path(location, tmp_path).resolve().parent == tmp_path.resolve()
    assert len(cached_path(location, tmp_path).name) < 200
    assert not cached_path(location, tmp_path).name.startswith(".")


def test_a_failed_fetch_leaves_nothing(server, answers, tmp_path):
    server.answers["/weights.pt"] = answers.cut()
    location = DataLocation("url", f"{server.url}/weights.pt")
    with pytest.raises(URLDownloadError):
        cached_file(location, None, tmp_path)
    assert not cached_path(location, tmp_path).exists()
    server.answers["/weights.pt"] = answers.ok(DATA)
    assert cached_file(location, HASH, tmp_path)[1]


def test_a_file_of_this_machine_is_its_own_copy(tmp_path):
    original = tmp_path / "weights.pt"
    original.write_bytes(DATA)
    location = DataLocation("filesystem", str(original))
    assert cached_file(location, HASH, tmp_path / "cache") == (original, False)
    with pytest.raises(HashMismatchError):
        cached_file(location, "0" * 64, tmp_path / "cache")
    assert original.read_bytes() == DATA
    assert not (tmp_path / "cache").exists()
    with pytest.raises(DataNotFoundError, match="missing"):
        cached_file(DataLocation("filesystem", f"{tmp_path}/missing"), None, tmp_path)


def test_what_lies_in_memory_is_copied_anew(tmp_path):
    location = DataLocation("memory", "weights")
    storage.write_bytes(location, b"first")
    assert cached_file(location, None, tmp_path) == (cached_path(location, tmp_path), False)
    storage.write_bytes(location, b"second")
    assert cached_file(location, None, tmp_path)[0].read_bytes() == b"second"
    storage.clear_memory_storage()


FILLER = """
import sys
from spacer_like.data_classes import DataLocation
from spacer_like.storage import cached_file
path, loaded = cached_file(DataLocation("url", sys.argv[1]), sys.argv[2], sys.argv[3])
assert path.read_bytes() == b"weights" * 1000
print(loaded)
"""


def fillers(location, folder, count):
    environment = os.environ | {"SPACER_URL_ALLOW_PRIVATE": "True"}
    command = [sys.executable, "-c", FILLER, location.key, HASH, str(folder)]
    return [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(count)]


def test_processes_that_want_the_same_file_fetch_it_once(weights, server, answers, tmp_path):
    def slowly(handler):
        time.sleep(0.7)
        answers.ok(DATA)(handler)

    server.answers["/weights.pt"] = slowly
    printed = sorted(process.communicate()[0].strip() for process in fillers(weights, tmp_path, 3))
    assert printed == ["False", "False", "True"]
    assert server.count("GET") == 1


def test_a_process_that_is_killed_while_it_fills_lets_the_next_one_in(weights, server, answers, tmp_path):
    server.answers["/weights.pt"] = answers.first(1, lambda handler: time.sleep(5), answers.ok(DATA))
    (first,) = fillers(weights, tmp_path, 1)
    while not server.requests:
        time.sleep(0.02)
    first.kill()
    first.communicate()
    with override(url_timeout_seconds=5):
        assert cached_file(weights, HASH, tmp_path) == (cached_path(weights, tmp_path), True)


class TestAFolderThatOthersMayWrite:
    """Copies in it are used only where their hash is known."""

    @pytest.fixture
    def shared(self, tmp_path):
        (tmp_path / "shared").mkdir()
        (tmp_path / "shared").chmod(0o777)
        return tmp_path / "shared"

    def test_gives_no_copy_whose_hash_is_not_known(self, weights, shared, server, caplog):
        cached_path(weights, shared).write_bytes(b"planted")
        path, loaded_remotely = cached_file(weights, None, shared)
        assert (path.read_bytes(), loaded_remotely) == (DATA, True)
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert f"because others may write to {shared}: each process fetches its own" in caplog.text
        # By the same process it is fetched once.
        assert cached_file(weights, None, shared) == (path, False)
        assert server.count("GET") == 1

    def test_gives_a_copy_of_the_announced_bytes(self, weights, shared, server):
        path, _ = cached_file(weights, HASH, shared)
        assert path == cached_path(weights, shared)
        assert cached_file(weights, HASH, shared) == (path, False)
        assert server.count("GET") == 1

    def test_is_looked_at_again_where_a_file_was_exchanged_and_its_time_set_back(self, weights, shared):
        path, _ = cached_file(weights, HASH, shared)
        status = path.stat()
        with path.open("r+b") as file:
            file.write(b"planted")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        found, loaded_remotely = cached_file(weights, HASH, shared)
        assert (found.read_bytes(), loaded_remotely) == (DATA, True)

    @pytest.mark.parametrize("sha256", [None, HASH])
    def test_leads_to_no_file_that_is_overwritten(self, weights, shared, tmp_path, sha256):
        (tmp_path / "precious").write_bytes(b"precious")
        for link in (cached_path(weights, shared), cached_path(weights, shared).with_suffix(".pt.lock")):
            link.symlink_to(tmp_path / "precious")
        assert cached_file(weights, sha256, shared)[0].read_bytes() == DATA
        assert (tmp_path / "precious").read_bytes() == b"precious"

    def test_may_hold_a_pipe(self, weights, shared):
        os.mkfifo(cached_path(weights, shared))
        assert cached_file(weights, HASH, shared)[0].read_bytes() == DATA


def test_a_copy_is_written_by_nobody_else_whatever_new_files_are_allowed(weights, tmp_path):
    umask = os.umask(0)
    try:
        path, _ = cached_file(weights, None, tmp_path / "new" / "folder")
    finally:
        os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o644
    assert cached_file(weights, None, tmp_path / "new" / "folder") == (path, False)

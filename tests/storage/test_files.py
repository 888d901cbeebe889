"""Large values: opened in part, and stored from a local file."""

import io
import os
import stat
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacer_like import storage
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import DataNotFoundError, InvalidKeyError, ReadOnlyStorageError, StorageUnavailableError
from spacer_like.storage import s3_boto, s3_obstore
from spacer_like.storage.base import Storage
from spacer_like.storage.filesystem import FilesystemStorage
from spacer_like.storage.ranges import RangedFile
from spacer_like.storage.remote import RemoteStorage


class Far(RemoteStorage):
    """A storage across an imagined network, which counts what is fetched."""

    def __init__(self, data=b""):
        self.data = data
        self.fetched = []

    def location(self, key):
        return DataLocation("url", f"https://diver:word@reef.test/{key}")

    def read(self, key):
        return self.data

    def read_range(self, key, start, length):
        self.fetched.append((start, length))
        return self.data[start : start + length]

    def write(self, key, data):
        self.data = data

    def delete(self, key):
        self.data = b""

    def exists(self, key):
        return True

    def list(self, prefix=""):
        return iter(())


@pytest.mark.parametrize("length", [0, 1, 100_000])
def test_an_opened_value_reads_as_a_file(place, length):
    data = os.urandom(length)
    place.storage.write(place.key("value"), data)
    with place.storage.open(place.key("value")) as file:
        assert file.read() == data
        assert file.seek(-min(10, length), io.SEEK_END) == max(length - 10, 0)
        assert file.read(5) == data[-10:][:5]
        assert file.seek(3) == file.tell() == 3
        assert file.read(4) == data[3:7]
        assert file.seek(length + 5) == length + 5
        assert file.read(1) == b""


def test_what_is_not_there_cannot_be_opened(place):
    with pytest.raises(DataNotFoundError, match=r"nothing here|No entry"):
        place.storage.open(place.key("nothing here"))


@pytest.mark.parametrize("consume", [False, True])
def test_a_stored_file_is_read(place, tmp_path, consume):
    path = tmp_path / "local"
    for data in (b"the first and longer one", b"", b"second"):
        path.write_bytes(data)
        place.storage.write_file(place.key("folder/value"), path, consume)
        assert place.storage.read(place.key("folder/value")) == data
        assert path.exists() is not consume


def test_a_file_that_is_not_there_is_not_stored(place, tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        place.storage.write_file(place.key("value"), tmp_path / "missing")
    assert not place.storage.exists(place.key("value"))


def test_a_large_file_goes_to_s3_in_parts(place, tmp_path, monkeypatch):
    if "s3" not in place.kind or "rclone" in place.kind:
        pytest.skip("one request for a value")
    monkeypatch.setattr(s3_obstore, "_ONE_REQUEST_BYTES", 2**20)
    monkeypatch.setattr(s3_obstore, "_PART_BYTES", 5 * 2**20)
    monkeypatch.setattr(s3_boto, "_ONE_REQUEST_BYTES", 2**20)
    monkeypatch.setattr(s3_boto, "_PART_BYTES", 5 * 2**20)
    data = os.urandom(2**20) * 21 + b"end"
    # So that the client, which is large itself, is there.
    assert not place.storage.exists(place.key("value"))
    (tmp_path / "local").write_bytes(data)
    tracemalloc.start()
    place.storage.write_file(place.key("value"), tmp_path / "local")
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert place.storage.read(place.key("value")) == data
    assert held < 12 * 2**20


def test_free_functions_take_locations(tmp_path):
    (tmp_path / "local").write_bytes(b"fish")
    loc = DataLocation("memory", "value")
    storage.write_file(loc, tmp_path / "local")
    with storage.open_file(loc) as file:
        assert file.read() == b"fish"
    storage.clear_memory_storage()


def test_urls_are_not_written(tmp_path):
    with pytest.raises(ReadOnlyStorageError):
        storage.write_file(DataLocation("url", "http://h/x"), tmp_path / "local")


class TestFilesystem:
    files = storage.storage_factory("filesystem")

    @pytest.mark.parametrize("consume", [False, True])
    def test_the_permissions_are_those_of_any_new_file_or_of_the_replaced_one(self, tmp_path, consume):
        plain, replaced, path = tmp_path / "plain", tmp_path / "replaced", tmp_path / "local"
        self.files.write(str(plain), b"")
        replaced.write_bytes(b"")
        replaced.chmod(0o640)
        for target, mode in ((tmp_path / "new", stat.S_IMODE(plain.stat().st_mode)), (replaced, 0o640)):
            path.write_bytes(b"fish")
            path.chmod(0o600)
            self.files.write_file(str(target), path, consume)
            assert stat.S_IMODE(target.stat().st_mode) == mode
        assert sorted(os.listdir(tmp_path)) == sorted(["plain", "replaced", "new", *([] if consume else ["local"])])

    def test_a_consumed_file_is_moved(self, tmp_path):
        path = tmp_path / "local"
        path.write_bytes(b"fish")
        number = path.stat().st_ino
        self.files.write_file(str(tmp_path / "folder" / "value"), path, consume=True)
        assert (tmp_path / "folder" / "value").stat().st_ino == number

    @pytest.mark.parametrize("consume", [False, True])
    @pytest.mark.parametrize("alias", ["{folder}/value", "{folder}/./value", "{folder}/link", "{folder}/other/value"])
    def test_a_file_stored_onto_itself_stays(self, tmp_path, consume, alias):
        (tmp_path / "value").write_bytes(b"fish")
        (tmp_path / "link").symlink_to("value")
        (tmp_path / "other").symlink_to(".")
        self.files.write_file(alias.format(folder=tmp_path), tmp_path / "value", consume)
        assert (tmp_path / "value").read_bytes() == b"fish"

    def test_a_consumed_second_name_is_removed_and_the_file_stays(self, tmp_path):
        (tmp_path / "value").write_bytes(b"fish")
        for number, make in enumerate((Path.hardlink_to, Path.symlink_to)):
            name = tmp_path / f"name {number}"
            make(name, tmp_path / "value")
            self.files.write_file(str(tmp_path / "value"), name, consume=True)
        assert [path.name for path in tmp_path.iterdir()] == ["value"]
        assert (tmp_path / "value").read_bytes() == b"fish"

    def test_a_storage_of_files_of_ones_own_keeps_a_file_stored_onto_itself(self, tmp_path):
        class OwnFiles(FilesystemStorage):
            write_file = Storage.write_file

        (tmp_path / "value").write_bytes(b"fish")
        OwnFiles().write_file(str(tmp_path / "value"), tmp_path / "value", consume=True)
        assert (tmp_path / "value").read_bytes() == b"fish"

    def test_a_file_with_two_names_is_copied(self, tmp_path):
        """Moved, a later change under the other name would change the result."""
        path, other = tmp_path / "local", tmp_path / "other name"
        path.write_bytes(b"fish")
        other.hardlink_to(path)
        self.files.write_file(str(tmp_path / "value"), path, consume=True)
        other.write_bytes(b"changed")
        assert (tmp_path / "value").read_bytes() == b"fish"
        assert not path.exists()

    def test_a_disk_that_cannot_be_moved_to_is_copied_to(self, tmp_path, monkeypatch):
        def rename(*names):
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr(os, "rename", rename)
        (tmp_path / "local").write_bytes(b"fish")
        self.files.write_file(str(tmp_path / "value"), tmp_path / "local", consume=True)
        assert os.listdir(tmp_path) == ["value"]

    def test_a_failed_store_leaves_the_old_value_and_nothing_else(self, tmp_path, monkeypatch):
        def full(*names):
            raise OSError(28, "No space left on device")

        (tmp_path / "value").write_bytes(b"old")
        (tmp_path / "local").write_bytes(b"new")
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StorageUnavailableError, match="No space left"):
            self.files.write_file(str(tmp_path / "value"), tmp_path / "local")
        assert (tmp_path / "value").read_bytes() == b"old"
        assert sorted(os.listdir(tmp_path)) == ["local", "value"]

    def test_a_folder_is_no_target(self, tmp_path):
        (tmp_path / "local").write_bytes(b"fish")
        with pytest.raises(InvalidKeyError, match="is a folder"):
            self.files.write_file(str(tmp_path), tmp_path / "local")

    @pytest.mark.parametrize("start", [10, 2**70])
    def test_a_range_behind_the_end_is_empty(self, tmp_path, start):
        (tmp_path / "value").write_bytes(b"fish")
        assert self.files.read_range(str(tmp_path / "value"), start, 5) == b""


class TestRangedFile:
    @settings(max_examples=60, derandomize=True)
    @given(
        length=st.integers(0, 300),
        moves=st.lists(st.tuples(st.integers(0, 400), st.integers(-1, 400)), max_size=12),
    )
    def test_it_reads_as_the_bytes_would(self, length, moves):
        data = bytes(number % 251 for number in range(length))
        expected = io.BytesIO(data)
        with RangedFile(Far(data), "x", block_bytes=7) as file:
            for position, count in moves:
                assert file.seek(position) == expected.seek(position)
                assert file.read(count) == expected.read(count)
                assert file.tell() == expected.tell()

    def test_one_that_could_not_be_opened_is_closed_without_complaint(self):
        class Absent(Far):
            def size(self, key):
                raise DataNotFoundError(f"There is no '{key}'.")

        with pytest.raises(DataNotFoundError, match="There is no 'x'"):
            RangedFile(Absent(b""), "x")
        RangedFile.__new__(RangedFile).close()

    def test_only_blocks_that_are_read_are_fetched(self):
        far = Far(bytes(1000))
        with RangedFile(far, "x", block_bytes=100) as file:
            file.seek(-22, io.SEEK_END)
            file.read()
            file.seek(250)
            file.read(10)
            file.read(10)
        assert sorted(far.fetched) == [(200, 100), (900, 100)]

    def test_a_file_read_from_end_to_end_is_fetched_once(self):
        far = Far(bytes(1050))
        with RangedFile(far, "x", block_bytes=100) as file:
            while file.read(33):
                pass
        assert sorted(far.fetched) == [(start, min(100, 1050 - start)) for start in range(0, 1050, 100)]

    def test_a_failed_block_may_be_asked_for_again(self):
        far = Far(bytes(100))
        with RangedFile(far, "x") as file:
            far.data = b"short"
            with pytest.raises(StorageUnavailableError, match=r"^'https://reef\.test/x' has changed while it was read"):
                file.read(10)
            far.data = bytes(100)
            assert file.read(10) == bytes(10)

    def test_a_huge_number_reserves_no_memory(self):
        with RangedFile(Far(b"fish"), "x") as file:
            assert file.read(2**60) == b"fish"

    def test_a_closed_file_is_not_read(self):
        file = RangedFile(Far(b"fish"), "x")
        file.close()
        file.close()
        for use in (file.read, lambda: file.seek(0)):
            with pytest.raises(ValueError, match="closed"):
                use()

    def test_there_is_no_position_before_the_start(self):
        with RangedFile(Far(b"fish"), "x") as file, pytest.raises(ValueError, match="no position -1"):
            file.seek(-1)


@pytest.mark.usefixtures("private_urls")
@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_url_is_opened_in_part_where_its_server_can(server, answers, knows_ranges):
    body = bytes(range(256)) * 10

    def answer(handler):
        if not knows_ranges or handler.command == "HEAD":
            return answers.respond(handler, 200, body)
        first, last = map(int, handler.headers["Range"].removeprefix("bytes=").split("-"))
        part = body[first : last + 1]
        return answers.respond(handler, 206, part, Content_Range=f"bytes {first}-{first + len(part) - 1}/2560")

    server.answers["/photos.zip"] = answer
    with storage.open_file(DataLocation("url", f"{server.url}/photos.zip")) as file:
        assert isinstance(file, RangedFile) is knows_ranges
        file.seek(-10, io.SEEK_END)
        assert file.read() == body[-10:]


def test_a_value_is_read_up_to_a_limit(place, monkeypatch):
    """As whoever reads files of strangers does."""
    monkeypatch.setattr(s3_obstore, "_ONE_REQUEST_BYTES", 99)
    data = bytes(range(256))
    place.storage.write(place.key("value"), data)
    for limit in (100, 255, 256, 257, 2**40):
        assert place.storage.read_range(place.key("value"), 0, limit) == data[:limit]
    place.storage.write(place.key("empty"), b"")
    assert place.storage.read_range(place.key("empty"), 0, 2**40) == b""
    with pytest.raises(DataNotFoundError):
        place.storage.read_range(place.key("nothing here"), 0, 2**40)


def test_a_part_of_a_value_is_fetched_alone_whatever_the_server_calls_it(rclone, monkeypatch):
    """rclone sends a range under the status of a whole object."""
    with rclone.settings():
        s3 = storage.storage_factory("s3", rclone.make_bucket())
        s3.write("value", bytes(range(256)))
        monkeypatch.setattr(s3_obstore.ObstoreBucket, "read", lambda *arguments: pytest.fail("all was fetched"))
        assert s3.read_range("value", 10, 5) == bytes(range(10, 15))
        assert s3.read_range("value", 300, 5) == b""

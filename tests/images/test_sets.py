"""Sets of images and files, whatever a family calls them; tests/rarity/test_collection.py has them by token."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from spacer_like import progress, storage
from spacer_like.exceptions import CollectionError, DataNotFoundError, ImageError
from spacer_like.images.files import file_bytes, open_files
from spacer_like.images.sets import Naming, open_set
from spacer_like.images.square import square_into
from spacer_like.images.stacks import StackWriter, ids_file
from spacer_like.location import DataLocation
from spacer_like.message_base import Unreadable

FOLDER = DataLocation("memory", "reefs/")


@pytest.fixture(autouse=True)
def empty_memory():
    storage.clear_memory_storage()
    yield
    storage.clear_memory_storage()


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)


def png(seed: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture(seed)).save(stream, "PNG")
    return stream.getvalue()


FILES = {"b.png": 1, "a.jpg.png": 2, "sand/c.png": 3, ".hidden.png": 4, "sand/.hidden.png": 5}


def as_zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, seed in FILES.items():
            archive.writestr(name, png(seed))
    return stream.getvalue()


def as_tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, seed in FILES.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(png(seed))
            archive.addfile(member, io.BytesIO(png(seed)))
    return stream.getvalue()


@pytest.fixture(params=["memory", "folder", "zip", "tar", "tar.gz"])
def place(request, tmp_path):
    """The files in every form."""
    if request.param in ("memory", "folder"):
        loc = FOLDER if request.param == "memory" else DataLocation("filesystem", f"{tmp_path}/reefs/")
        for name, seed in FILES.items():
            storage.write_bytes(DataLocation(loc.storage_type, f"{loc.key}{name}"), png(seed))
        return loc
    loc = DataLocation("memory", f"reefs.{request.param}")
    made = {"zip": as_zip, "tar": as_tar, "tar.gz": lambda: gzip.compress(as_tar())}
    storage.write_bytes(loc, made[request.param]())
    return loc


def drained(images):
    """{id: pixels} of a set in its order."""
    with images:
        return {
            name: square.copy() for ids, pixels in images.batches() for name, square in zip(ids, pixels, strict=True)
        }


def assert_pictures(found, seeds):
    assert list(found) == list(seeds)
    for name, seed in seeds.items():
        assert np.array_equal(found[name], picture(seed))


def test_images_are_called_by_their_files_in_the_order_of_their_names(place):
    assert_pictures(drained(open_set(place, square_into, 8)), {"a.jpg.png": 2, "b.png": 1})


def test_those_deeper_in_folders_are_called_by_their_paths(place):
    found = drained(open_set(place, square_into, 8, deep=True))
    assert_pictures(found, {"a.jpg.png": 2, "b.png": 1, "sand/c.png": 3})


def test_names_are_what_the_caller_makes_of_them(place):
    naming = Naming(lambda name: None if name.startswith(".") else name[0].upper(), order=lambda name: -ord(name))
    assert_pictures(drained(open_set(place, square_into, 8, naming)), {"B": 1, "A": 2})


def test_of_two_files_of_a_name_the_first_counts():
    for name in ("1.png", "2.png"):
        storage.write_bytes(DataLocation("memory", f"reefs/{name}"), png(int(name[0])))
    images = open_set(FOLDER, square_into, 8, Naming(lambda name: "reef", noun="site"))
    assert_pictures(drained(images), {"reef": 1})
    assert [entry.reason for entry in images.unreadable] == ["'1.png' and '2.png' both are site reef: '1.png' counts."]


class TestLists:
    def test_a_list_of_locations_is_a_set(self, tmp_path):
        locs = [DataLocation("memory", "one.png"), DataLocation("filesystem", f"{tmp_path}/two.png")]
        for seed, loc in enumerate(locs):
            storage.write_bytes(loc, png(seed))
        storage.write_bytes(DataLocation("memory", "no.png"), b"a text")
        images = open_set([*locs, locs[0], DataLocation("memory", "no.png")], square_into, 8)
        found = drained(images)
        assert sorted(found) == sorted(["memory://one.png", f"{tmp_path}/two.png"])
        assert np.array_equal(found["memory://one.png"], picture(0))
        reasons = {entry.name: entry.reason for entry in images.unreadable}
        assert reasons["memory://one.png"] == "It is in the list 2 times, and counts once."
        assert "is not an image" in reasons["memory://no.png"]

    def test_one_that_is_not_there_is_told_and_the_others_are_read(self):
        locs = [DataLocation("memory", "one.png"), DataLocation("memory", "none.png")]
        storage.write_bytes(locs[0], png(1))
        images = open_set(locs, square_into, 8)
        assert_pictures(drained(images), {"memory://one.png": 1})
        assert [entry.name for entry in images.unreadable] == ["memory://none.png"]

    def test_urls_that_differ_in_what_is_secret_are_both_read_and_tell_no_secret(self):
        locs = [DataLocation("url", f"https://reef.example/a.png?key={secret}") for secret in ("one", "two")]
        with open_files(locs) as files:
            assert files.names == ["https://reef.example/a.png?...", "https://reef.example/a.png?... [1]"]
            assert files.is_far

    def test_nothing_is_a_set_of_nothing(self):
        images = open_set([], square_into, 8)
        assert drained(images) == {}
        assert images.reason_for_nothing() == "The collection 'the list of 0 images' holds no image."


def test_a_single_image_is_a_set_of_one_where_that_is_asked_for():
    loc = DataLocation("memory", "deep/reef.png")
    storage.write_bytes(loc, png(1))
    assert_pictures(drained(open_set(loc, square_into, 8, or_one=True)), {"reef.png": 1})
    assert drained(open_set(loc, square_into, 8)) == {}


def test_a_stack_is_a_set_and_its_ids_are_texts(tmp_path):
    loc = DataLocation("filesystem", f"{tmp_path}/pixels.npz")
    with StackWriter(tmp_path / "pixels.npz", 2, 8) as writer:
        writer.add(np.stack([picture(7), picture(8)]))
    (tmp_path / "ids.npz").write_bytes(ids_file(["007", "reef"]))
    assert_pictures(drained(open_set(loc, square_into, 8)), {"007": 7, "reef": 8})


def test_images_are_decoded_in_threads_as_in_batches(place):
    found: list[bytes] = []
    with open_set(place, square_into, 8, deep=True) as images:
        images.decode_in_threads(lambda pixels: found.extend(square.tobytes() for square in pixels))
    assert sorted(found) == sorted(picture(seed).tobytes() for seed in (1, 2, 3))


def test_progress_is_reported(place):
    heard = []
    with progress.listening(lambda *reported: heard.append(reported)):
        drained(open_set(place, square_into, 8))
    assert heard[-1] == (f"images of {place.display_name}", 2, 2)


class TestFiles:
    def test_names_and_what_reads_them(self, place):
        with open_files(place, deep=True) as files:
            assert sorted(files.names) == sorted(FILES)
            assert all(files.read(name) == png(FILES[name]) for name in files.names)

    def test_a_folder_that_is_not_there_is_told(self, tmp_path):
        with pytest.raises(DataNotFoundError):
            open_files(DataLocation("filesystem", f"{tmp_path}/none"))

    def test_a_file_that_is_no_archive_is_told(self, tmp_path):
        (tmp_path / "reef.rar").write_bytes(b"")
        with pytest.raises(CollectionError, match=r"give a folder of images, a \.zip or \.tar of them, or a stack"):
            open_files(DataLocation("filesystem", f"{tmp_path}/reef.rar"))

    def test_a_file_that_is_too_large_is_not_read_whole(self):
        storage.write_bytes(DataLocation("memory", "reef.png"), bytes(2**20 + 1))
        with pytest.raises(ImageError, match=r"^The file 'reef' is larger than 1 MiB: no image is read of it\.$"):
            file_bytes(DataLocation("memory", "reef.png"), "reef", 2**20)


def test_files_that_are_not_opened_are_told_by_name(tmp_path):
    for name in ("c", "a", "e", "b", "d"):
        (tmp_path / name).symlink_to("nowhere")
    with open_files(DataLocation("filesystem", str(tmp_path))) as files:
        assert [entry.name for entry in files.unreadable] == ["a", "b", "c", "d", "e"]


FORBIDDEN = """
import os, shutil, tempfile
from pathlib import Path
from spacer_like.images.files import open_files
from spacer_like.location import DataLocation
from spacer_like.message_base import Unreadable
root = tempfile.mkdtemp(dir="/tmp")
if os.geteuid() == 0:
    # Nothing is forbidden to root; nobody else may be allowed to import what is still missing.
    with open_files(DataLocation("filesystem", root), deep=True) as files:
        Unreadable.of("", "")
    os.chown(root, 65534, -1)
    os.setuid(65534)
try:
    for name in ("a/b", "a/c", "d"):
        Path(root, name).mkdir(parents=True)
        Path(root, name, "1.png").write_bytes(b"1")
    for name in ("a/b", "d"):
        Path(root, name).chmod(0)
    with open_files(DataLocation("filesystem", root), deep=True) as files:
        print(files.names, *files.unreadable, sep="\\n")
finally:
    for name in ("a/b", "d"):
        Path(root, name).chmod(0o700)
    shutil.rmtree(root)
"""


def test_folders_that_may_not_be_read_are_named():
    run = subprocess.run([sys.executable, "-c", FORBIDDEN], capture_output=True, text=True, check=True)
    reason = "The folder cannot be read: Permission denied."
    entries = [str(Unreadable.of(name, reason)) for name in ("a/b", "d")]
    assert run.stdout.splitlines() == ["['a/c/1.png']", *entries]


def test_links_to_folders_are_named_and_not_entered(tmp_path):
    (tmp_path / "set/a").mkdir(parents=True)
    (tmp_path / "set/a/linked").symlink_to(tmp_path)
    with open_files(DataLocation("filesystem", f"{tmp_path}/set"), deep=True) as files:
        assert files.names == []
        assert [entry.name for entry in files.unreadable] == ["a/linked"]


@pytest.mark.parametrize("order", [1, -1], ids=["as made", "reversed"])
def test_files_that_are_not_opened_are_named_in_order(order, tmp_path, monkeypatch):
    """A folder gives its entries in no order; those that are not text come first."""
    others = ["c.png", "a.png", "b.png"]
    for name in others:
        os.mkfifo(tmp_path / name)
    names = [b"\xfe.png", b"\xff.png", b"\xfd.png"]
    for name in names:
        with open(os.fsencode(tmp_path) + b"/" + name, "wb") as file:
            file.write(png(1))
    scandir = os.scandir

    @contextmanager
    def in_order(folder):
        with scandir(folder) as entries:
            yield iter(sorted(entries, key=lambda entry: entry.name)[::order])

    monkeypatch.setattr(os, "scandir", in_order)
    with open_files(DataLocation("filesystem", str(tmp_path))) as files:
        found = [one.name for one in files.unreadable]
    assert found == [r"\udcfd.png", r"\udcfe.png", r"\udcff.png", "a.png", "b.png", "c.png"]

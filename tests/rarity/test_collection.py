"""Collections of images, wherever they live."""

from __future__ import annotations

import os
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spacer_like import config, memory, progress, storage
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import (
    AccessDeniedError,
    ArchiveError,
    CollectionError,
    DataNotFoundError,
    ImageError,
    StorageUnavailableError,
)
from spacer_like.images import decoding, files
from spacer_like.images.stacks import StackWriter, ids_file
from spacer_like.memory import reuse_thread_memory
from spacer_like.message_base import as_text
from spacer_like.rarity.metadata import token_id, token_of_file, token_order
from spacer_like.rarity.tasks.collections import TOKENS, open_collection
from spacer_like.storage.memory import MemoryStorage

EIGHT = SimpleNamespace(size=8, resample="bicubic", background="drop")


def picture(seed: int, size: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)


def encoded(image, image_format="PNG", **options) -> bytes:
    stream = BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(stream, image_format, **options)
    return stream.getvalue()


def png(seed: int) -> bytes:
    return encoded(picture(seed))


@contextmanager
def _folder(tmp_path, request):
    (tmp_path / "apes").mkdir()
    yield DataLocation("filesystem", f"{tmp_path}/apes/")


@contextmanager
def _memory(tmp_path, request):
    yield DataLocation("memory", "apes/resized/")


def _s3(name):
    @contextmanager
    def place(tmp_path, request):
        server = request.getfixturevalue(name)
        with server.settings():
            yield DataLocation("s3", "apes/resized/", server.make_bucket())

    return place


PLACES = {"folder": _folder, "memory": _memory, "s3": _s3("moto"), "s3 of rclone": _s3("rclone")}
FORMS = ["files", "archive", "stack", "packed stack"]


@pytest.fixture(params=PLACES)
def folder(request, tmp_path):
    """A location of a folder or prefix, in every storage."""
    with ExitStack() as stack:
        yield stack.enter_context(PLACES[request.param](tmp_path, request))


def inside(folder: DataLocation, name: str) -> DataLocation:
    return DataLocation(folder.storage_type, f"{folder.key}{name}", folder.bucket_name)


def stored(folder: DataLocation, form: str, tokens: dict[str, int], tmp_path) -> DataLocation:
    """The location of a collection that shows picture(seed) for each token."""
    if form == "files":
        for token, seed in tokens.items():
            storage.write_bytes(inside(folder, f"{token}.png"), png(seed))
        return folder
    if form == "archive":
        stream = BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for token, seed in tokens.items():
                archive.writestr(f"images/{token}.png", png(seed))
        loc = inside(folder, "apes.zip")
        storage.write_bytes(loc, stream.getvalue())
        return loc
    loc = inside(folder, "numpy/pixels.npz")
    path = tmp_path / "stack"
    if form == "stack":
        with StackWriter(path, len(tokens), 8) as writer:
            writer.add(np.stack([picture(seed) for seed in tokens.values()]))
    else:
        np.savez_compressed(path, np.stack([picture(seed) for seed in tokens.values()]))
        path = tmp_path / "stack.npz"
    storage.write_file(loc, path)
    storage.write_bytes(inside(folder, "numpy/ids.npz"), ids_file(list(tokens)))
    return loc


def read(loc, preparation=EIGHT, batch_size=None, **options):
    """(tokens, pixels, (name, reason) of what is unreadable) of a whole collection."""
    with open_collection(loc, preparation) as collection:
        return drained(collection, batch_size, **options)


def drained(collection, batch_size=None, **options):
    batches = [(tokens, pixels.copy()) for tokens, pixels in collection.batches(batch_size, **options)]
    tokens = [token for some, _ in batches for token in some]
    pixels = np.concatenate([pixels for _, pixels in batches]) if batches else None
    return tokens, pixels, {entry.name: entry.reason for entry in collection.unreadable}


@pytest.mark.parametrize("form", FORMS)
def test_a_collection_is_read_whole_and_in_order_from_everywhere(folder, form, tmp_path):
    seeds = {str(number): number for number in range(25)} | {"alpha": 100, "beta": 101}
    loc = stored(folder, form, seeds, tmp_path)
    for batch_size in (None, 4):
        tokens, pixels, unreadable = read(loc, batch_size=batch_size)
        assert tokens == list(seeds)
        assert np.array_equal(pixels, np.stack([picture(seed) for seed in seeds.values()]))
        assert unreadable == {}


@pytest.mark.parametrize("form", FORMS)
def test_some_images_of_a_collection_are_read(form, tmp_path):
    loc = stored(DataLocation("memory", "apes/"), form, {str(number): number for number in range(30)}, tmp_path)
    for indices in ([0, 3, 4, 5, 29], [29], []):
        tokens, pixels, _ = read(loc, batch_size=2, indices=indices)
        assert tokens == [str(index) for index in indices]
        assert not indices or np.array_equal(pixels, np.stack([picture(index) for index in indices]))


@pytest.mark.parametrize("form", FORMS)
def test_a_collection_is_decoded_whole_in_threads(folder, form, tmp_path):
    loc = stored(folder, form, {str(number): number for number in range(25)}, tmp_path)
    with open_collection(loc, EIGHT) as collection:
        for _ in range(2):
            found = []
            collection.decode_in_threads(lambda pixels: found.extend(map(np.copy, pixels)))  # noqa: B023
            by_bytes = sorted(image.tobytes() for image in found)
            assert by_bytes == sorted(picture(seed).tobytes() for seed in range(25))


def test_what_cannot_be_decoded_in_threads_is_told_as_by_batches():
    loc = DataLocation("memory", "apes/")
    for number in range(0, 90, 3):
        storage.write_bytes(inside(loc, str(number)), png(number))
        storage.write_bytes(inside(loc, str(number + 1)), b"no image")
        storage.write_bytes(inside(loc, f"{number}.jpg"), b"another")
    with open_collection(loc, EIGHT) as collection:
        drained(collection)
        by_batches = list(collection.unreadable)
        for _ in range(2):
            found, told = [], []
            with progress.listening(lambda *report: told.append(report)):  # noqa: B023
                collection.decode_in_threads(lambda pixels: found.extend(pixels))  # noqa: B023
            assert collection.unreadable == by_batches
            assert len(by_batches) == 60
            assert len(found) == 30
            assert told[-1] == ("images of memory://apes/", 60, 60)


@pytest.mark.parametrize("form", FORMS)
def test_a_collection_may_be_read_again(form, tmp_path):
    loc = stored(DataLocation("memory", "apes/"), form, {"1": 1, "2": 2, "3": 3}, tmp_path)
    if form == "files":
        storage.write_bytes(DataLocation("memory", "apes/4"), b"no image")
        storage.write_bytes(DataLocation("memory", "apes/3.jpg"), b"another 3")
    with open_collection(loc, EIGHT) as collection:
        for _ in range(2):
            tokens, _, unreadable = drained(collection, 2)
            assert tokens == ["1", "2"] if form == "files" else ["1", "2", "3"]
            assert len(unreadable) == (3 if form == "files" else 0)
        next(collection.batches(1))
        assert drained(collection)[0] == tokens


class TestFolders:
    def test_a_folder_without_its_slash_is_that_folder(self, folder, tmp_path):
        stored(folder, "files", {"1": 1}, tmp_path)
        storage.write_bytes(DataLocation(folder.storage_type, f"{folder.key[:-1]}2/9.png", folder.bucket_name), png(9))
        loc = DataLocation(folder.storage_type, folder.key[:-1], folder.bucket_name)
        assert read(loc)[0] == ["1"]

    def test_what_is_no_image_of_the_collection_is_not_looked_at(self, folder, tmp_path):
        stored(folder, "files", {"1": 1}, tmp_path)
        for name in ("8.url", "9.URL", ".hidden", "folder/7.png"):
            storage.write_bytes(inside(folder, name), b"no image")
        assert read(folder)[0::2] == (["1"], {})

    def test_files_that_are_no_images_are_told_with_the_reason(self, folder, tmp_path):
        stored(folder, "files", {"1": 1, "5": 5}, tmp_path)
        storage.write_bytes(inside(folder, "2"), b"a text")
        storage.write_bytes(inside(folder, "3.png"), png(3)[:-40])
        storage.write_bytes(inside(folder, "4"), b"")
        tokens, pixels, unreadable = read(folder)
        assert tokens == ["1", "5"]
        assert np.array_equal(pixels, np.stack([picture(1), picture(5)]))
        assert list(unreadable) == ["2", "3.png", "4"]
        assert unreadable["3.png"].startswith("The image '3.png' cannot be decoded:")

    def test_of_two_files_of_a_token_the_first_by_name_counts(self, folder):
        storage.write_bytes(inside(folder, "7.png"), png(1))
        storage.write_bytes(inside(folder, "7.jpg"), encoded(picture(2), "JPEG"))
        storage.write_bytes(inside(folder, "007.png"), png(3))
        tokens, pixels, unreadable = read(folder)
        assert tokens == ["7"]
        assert np.array_equal(pixels[0], picture(3))
        assert unreadable == {
            name: f"'007.png' and '{name}' both are token 7: '007.png' counts." for name in ("7.jpg", "7.png")
        }

    def test_no_image_is_no_error(self, folder):
        with open_collection(folder, EIGHT) as collection:
            assert drained(collection) == ([], None, {})
            assert collection.reason_for_nothing() == f"The collection '{folder.display_name}' holds no image."

    def test_nothing_but_broken_files_is_no_error(self, folder):
        storage.write_bytes(inside(folder, "1.png"), b"a text")
        with open_collection(folder, EIGHT) as collection:
            assert drained(collection)[0] == []
            reason = collection.reason_for_nothing()
        assert reason.startswith(f"The one file of the collection '{folder.display_name}'")
        assert "The file '1.png' is not an image" in reason

    def test_a_folder_that_is_not_there_is_told(self, tmp_path):
        with pytest.raises(DataNotFoundError, match=r"^There is no folder '.*apes'\.$"):
            open_collection(DataLocation("filesystem", f"{tmp_path}/apes"), EIGHT)

    def test_a_file_that_is_no_collection_is_told(self, tmp_path):
        (tmp_path / "apes").write_bytes(b"")
        with pytest.raises(CollectionError, match=r"is no collection: give a folder of images, a \.zip"):
            open_collection(DataLocation("filesystem", f"{tmp_path}/apes"), EIGHT)

    @pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
    def test_a_folder_that_may_not_be_read_is_told(self, tmp_path):
        (tmp_path / "apes").mkdir(mode=0)
        with pytest.raises(AccessDeniedError):
            open_collection(DataLocation("filesystem", f"{tmp_path}/apes"), EIGHT)

    def test_a_name_that_is_no_text_is_told(self, tmp_path):
        for name in (b"1.png", b"\xff.png"):
            with open(os.fsencode(tmp_path) + b"/" + name, "wb") as file:
                file.write(png(1))
        tokens, _, unreadable = read(DataLocation("filesystem", str(tmp_path)))
        assert tokens == ["1"]
        assert unreadable == {r"\udcff.png": "The name of the file is no text in UTF-8: give it another one."}

    def test_a_file_that_is_too_large_is_told(self, monkeypatch):
        monkeypatch.setattr(files, "MOST_FILE_BYTES", 2**20)
        storage.write_bytes(DataLocation("memory", "apes/1"), png(1) + bytes(2**20))
        assert read(DataLocation("memory", "apes"))[2] == {
            "1": "The file '1' is larger than 1 MiB: no image is read of it."
        }

    def test_a_storage_that_does_not_answer_is_an_error(self, monkeypatch):
        def read_range(*arguments):
            raise StorageUnavailableError("The storage does not answer.")

        storage.write_bytes(DataLocation("memory", "apes/1"), png(1))
        monkeypatch.setattr(MemoryStorage, "read_range", read_range)
        with pytest.raises(StorageUnavailableError):
            read(DataLocation("memory", "apes"))


class TestImages:
    """What a collection may consist of."""

    LOC = DataLocation("memory", "apes/")

    def read(self, **files):
        for name, data in files.items():
            storage.write_bytes(inside(self.LOC, name), data)
        return read(self.LOC)

    def test_one(self):
        tokens, pixels, _ = self.read(only=png(1))
        assert tokens == ["only"]
        assert pixels.shape == (1, 8, 8, 3)

    def test_different_sizes(self):
        tokens, pixels, _ = self.read(a=png(1), b=encoded(picture(2, 31)), c=encoded(picture(3, 30)[:9]))
        assert tokens == ["a", "b", "c"]
        assert np.array_equal(pixels[0], picture(1))
        expected = Image.fromarray(picture(3, 30)[:9]).resize((8, 8), Image.Resampling.BICUBIC)
        assert np.array_equal(pixels[2], np.asarray(expected))

    def test_transparency_and_animation(self):
        frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime")]
        glass = Image.new("RGBA", (8, 8), (1, 2, 3, 0))
        _, pixels, unreadable = self.read(
            a=encoded(glass), b=encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
        )
        assert pixels[:, 0, 0].tolist() == [[1, 2, 3], [255, 0, 0]]
        assert unreadable == {}


class TestSingleImages:
    def test_a_single_image_is_a_collection_of_one(self, folder):
        for name in ("77.png", "77", "readme.url", ".hidden.png"):
            storage.write_bytes(inside(folder, name), png(77))
            with open_collection(inside(folder, name), EIGHT, or_one=True) as collection:
                tokens, pixels, _ = drained(collection)
            assert len(tokens) == 1
            assert np.array_equal(pixels[0], picture(77))
        with open_collection(inside(folder, "77.png"), EIGHT, or_one=True) as collection:
            assert collection.ids == ["77"]

    @pytest.mark.parametrize("form", FORMS)
    def test_a_collection_is_opened_as_well(self, folder, form, tmp_path):
        loc = stored(folder, form, {"1": 1, "2": 2}, tmp_path)
        with open_collection(loc, EIGHT, or_one=True) as collection:
            assert drained(collection)[0] == ["1", "2"]

    def test_what_is_no_image_is_told(self):
        loc = DataLocation("memory", "77.png")
        storage.write_bytes(loc, b"a text")
        with open_collection(loc, EIGHT, or_one=True) as collection:
            tokens, _, unreadable = drained(collection)
        assert tokens == []
        assert list(unreadable) == ["77.png"]


class TestArchives:
    def test_an_archive_that_is_not_there_is_told(self, folder):
        with pytest.raises(DataNotFoundError):
            open_collection(inside(folder, "apes.zip"), EIGHT)

    def test_an_unsafe_archive_is_refused(self, folder):
        stream = BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("../1.png", png(1))
        storage.write_bytes(inside(folder, "apes.zip"), stream.getvalue())
        with pytest.raises(ArchiveError, match="leads out of it"):
            open_collection(inside(folder, "apes.zip"), EIGHT)

    def test_an_archive_in_an_archive_is_no_image(self):
        inner, outer = BytesIO(), BytesIO()
        with zipfile.ZipFile(inner, "w") as archive:
            archive.writestr("1.png", png(1))
        with zipfile.ZipFile(outer, "w") as archive:
            archive.writestr("1.png", png(1))
            archive.writestr("more.zip", inner.getvalue())
            archive.writestr("2.png", png(2), compress_type=zipfile.ZIP_LZMA)
        loc = DataLocation("memory", "apes.zip")
        storage.write_bytes(loc, outer.getvalue())
        tokens, _, unreadable = read(loc)
        assert tokens == ["1"]
        assert sorted(unreadable) == ["2.png", "more.zip"]
        assert "'more.zip' is not an image" in unreadable["more.zip"]


class TestStacks:
    def test_a_stack_of_another_size_is_told(self, tmp_path):
        loc = stored(DataLocation("memory", "apes/"), "stack", {"1": 1}, tmp_path)
        with pytest.raises(CollectionError, match=r"are 8 pixels wide, and 9 are asked for: convert the collection"):
            open_collection(loc, SimpleNamespace(size=9, resample="bicubic", background="drop"))

    def test_a_stack_without_ids_is_told(self, tmp_path):
        loc = stored(DataLocation("memory", "apes/"), "stack", {"1": 1}, tmp_path)
        storage.delete(DataLocation("memory", "apes/numpy/ids.npz"))
        with pytest.raises(DataNotFoundError, match=r"needs the ids of its tokens beside it, in '.*numpy/ids\.npz'\.$"):
            open_collection(loc, EIGHT)

    def test_a_stack_of_no_images_holds_nothing(self, tmp_path):
        np.savez(tmp_path / "pixels.npz", np.zeros((0, 8, 8, 3), np.uint8))
        np.savez(tmp_path / "ids.npz", np.zeros(0, "U1"))
        assert read(DataLocation("filesystem", f"{tmp_path}/pixels.npz")) == ([], None, {})


class TestDecodingAhead:
    LOC = DataLocation("memory", "apes/")

    def store(self, count):
        for number in range(count):
            storage.write_bytes(inside(self.LOC, str(number)), png(number % 50))

    def test_what_a_caller_keeps_does_not_change(self):
        self.store(40)
        with open_collection(self.LOC, EIGHT) as collection:
            kept = [pixels for _, pixels in collection.batches(4)]
        assert np.array_equal(np.concatenate(kept), np.stack([picture(number) for number in range(40)]))

    def test_no_more_than_two_batches_are_read_ahead(self, monkeypatch):
        self.store(100)
        begun, real = [], MemoryStorage.read_range

        def read_range(self, key, *arguments):
            begun.append(key)
            return real(self, key, *arguments)

        monkeypatch.setattr(MemoryStorage, "read_range", read_range)
        with open_collection(self.LOC, EIGHT) as collection:
            batches = collection.batches(10)
            next(batches)
            threading.Event().wait(0.2)
            assert len(begun) <= 20
            batches.close()
        assert len(begun) <= 20

    def test_memory_is_used_again(self, new_memory):
        self.store(100)
        self.let_go()
        assert 1 <= len(new_memory) <= 3

    def test_who_keeps_memory_uses_it_for_the_next_collection_too(self, new_memory):
        self.store(100)
        with ThreadPoolExecutor(1, initializer=reuse_thread_memory, initargs=[4]) as thread:
            thread.submit(self.let_go).result()
            needed = len(new_memory)
            thread.submit(self.let_go).result()
        assert len(new_memory) == needed <= 4

    def let_go(self):
        with open_collection(self.LOC, EIGHT) as collection:
            for _ in collection.batches(10):
                pass

    @pytest.fixture
    def new_memory(self, monkeypatch):
        """The sizes of memory that the system was asked for."""
        sizes, real = [], memory._memory
        monkeypatch.setattr(memory, "_memory", lambda size: sizes.append(size) or real(size))
        return sizes

    def test_batches_are_bounded_by_their_bytes(self):
        assert decoding.batch_length(224) == 222
        assert decoding.batch_length(1024) == 10
        assert decoding.batch_length(1) == 4096
        assert decoding.batch_length(224) * 224 * 224 * 3 * 3 < 128 * 2**20

    @pytest.mark.parametrize("threads", [1, 3])
    def test_the_number_of_threads_does_not_change_anything(self, threads):
        self.store(50)
        with config.override(torch_threads=threads):
            tokens, pixels, _ = read(self.LOC, batch_size=7)
        assert tokens == [str(number) for number in range(50)]
        assert np.array_equal(pixels, np.stack([picture(number) for number in range(50)]))

    def test_progress_is_told(self):
        self.store(5)
        storage.write_bytes(inside(self.LOC, "5"), b"no image")
        told = []
        with progress.listening(lambda *report: told.append(report)):
            read(self.LOC, batch_size=2)
        assert told == [("images of memory://apes/", ended, 6) for ended in (2, 4, 6)]

    def test_far_files_are_read_at_once(self, moto, monkeypatch):
        """As many as the setting says, though fewer threads compute."""
        at_once, most, lock = 0, 0, threading.Lock()
        with moto.settings(), config.override(torch_threads=1, storage_concurrency=6):
            loc = DataLocation("s3", "apes/", moto.make_bucket())
            for number in range(12):
                storage.write_bytes(inside(loc, str(number)), png(number))
            kind = type(storage.storage_factory("s3", loc.bucket_name))
            real, barrier = kind.read_range, threading.Barrier(6, timeout=20)

            def read_range(self, *arguments):
                nonlocal at_once, most
                with lock:
                    at_once += 1
                    most = max(most, at_once)
                barrier.wait()
                try:
                    return real(self, *arguments)
                finally:
                    with lock:
                        at_once -= 1

            monkeypatch.setattr(kind, "read_range", read_range)
            assert read(loc)[0] == [str(number) for number in range(12)]
        assert most == 6


class TestTokens:
    @pytest.mark.parametrize(
        ("name", "token"),
        [
            ("7", "7"),
            ("7.png", "7"),
            ("007.JPEG", "7"),
            ("000", "0"),
            ("1.5", "1.5"),
            ("Mr. Seaweed", "Mr. Seaweed"),
            ("ape.final.png", "ape.final"),
            ("1f600-fe0f.png", "1f600-fe0f"),
            ("0xff.jp2", "0xff"),
            ("٣.png", "٣"),
            ("7.url", None),
            ("7.URL", None),
            (".7.png", None),
            (" .png", None),
        ],
    )
    def test_the_name_of_a_file_without_its_extension_is_the_token(self, name, token):
        assert token_of_file(name) == token

    def test_numbers_come_first_by_value_then_texts(self):
        huge = str(2**256 - 1)
        tokens = ["b", huge, "10", "a10", "9", "a9", "0", str(2**64), "-1", "1.5"]
        assert sorted(tokens, key=token_order) == ["0", "9", "10", str(2**64), huge, "-1", "1.5", "a10", "a9", "b"]

    @given(st.integers(0, 10**80), st.integers(0, 5))
    def test_a_number_has_one_spelling(self, number, zeros):
        assert token_id(f" {'0' * zeros}{number} ") == str(number)

    @given(st.lists(st.text(min_size=1, max_size=6), max_size=20))
    def test_the_order_of_the_files_does_not_matter(self, names):
        assert TOKENS.first_of_each(names) == TOKENS.first_of_each(names[::-1])

    @given(st.lists(st.text(min_size=1, max_size=4), max_size=20, unique=True))
    def test_every_file_counts_once_or_is_told_or_is_not_looked_at(self, names):
        files, others = TOKENS.first_of_each(names)
        looked_at = [name for name in names if token_of_file(name) is not None]
        assert sorted([as_text(name) for _, name in files] + [other.name for other in others]) == sorted(
            map(as_text, looked_at)
        )
        assert len({token for token, _ in files}) == len(files)


def test_too_large_an_image_file_is_an_image_error(monkeypatch):
    storage.write_bytes(DataLocation("memory", "apes/1"), bytes(11))
    monkeypatch.setattr(files, "MOST_FILE_BYTES", 10)
    with pytest.raises(ImageError):
        files.file_bytes(DataLocation("memory", "apes/1"), "1")

"""The contract suite of storages.

>>> class TestMine(StorageContract):
...     @pytest.fixture
...     def storage(self):
...         return MyStorage()
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from io import BytesIO
from random import Random
from typing import Any, ClassVar
from uuid import uuid4

import pytest

from spacer_like.exceptions import DataNotFoundError, InvalidKeyError, SpacerInputError, TransientError
from spacer_like.storage.base import Storage

_random = Random(0)
VALUES = [b"", b"\0", bytes(range(256)), *(_random.randbytes(_random.randrange(1, 4096)) for _ in range(17))]
_LETTERS = "aZ09_-~!$'()*,;@[]^`{|}ÄßéЖ漢字🐟é #%+&=?:."


def _names() -> Iterator[str]:
    """Names of all permitted characters, without spaces and dots at their ends."""
    yield from ("a", "%2F", "a+b", "a b", "x?y=1&z", "#", "ä", "e\u0301", "🐟", "." * 3 + "a", "C:", "~")
    for length in range(1, 20):
        yield "".join(_random.choices(_LETTERS, k=length)).strip(". ") or "b"


NAMES = list(_names())


class StorageContract:
    """Subclass it, and give by the fixture `storage` a storage that tests may write to."""

    root: ClassVar[str] = ""
    """What keys of the tests begin with, such as a folder's path with a slash."""
    guards_keys: ClassVar[bool] = True
    """Whether it refuses keys that are empty, have a NUL, or a `..` among their parts."""
    replaces_at_once: ClassVar[bool] = True
    """Whether a value that writers replace at once is there all the time, and no writer is refused."""

    @pytest.fixture
    def storage(self) -> Storage:
        """The storage."""
        raise NotImplementedError("give a storage")

    @pytest.fixture
    def folder(self) -> str:
        """What the keys of one test begin with."""
        return f"{self.root}{uuid4().hex}/"

    def test_what_is_written_is_read(self, storage, folder):
        for value in VALUES:
            storage.write(f"{folder}value", value)
            assert storage.read(f"{folder}value") == value
            assert storage.size(f"{folder}value") == len(value)

    def test_any_name_is_a_key(self, storage, folder):
        for number, name in enumerate(NAMES):
            key = f"{folder}{number}/" + "/".join(NAMES[number : number + 1 + number % 3] if number % 2 else [name])
            storage.write(key, key.encode())
            assert storage.read(key) == key.encode()
            assert list(storage.list(f"{folder}{number}/")) == [key]

    def test_a_range_is_a_slice(self, storage, folder):
        for value in VALUES:
            storage.write(f"{folder}value", value)
            for start, length in ((0, 0), (0, 5000), (5000, 5), (len(value), 1), (1, 3), (len(value) // 2, 5000)):
                assert storage.read_range(f"{folder}value", start, length) == value[start : start + length]

    @pytest.mark.parametrize(("start", "length"), [(-1, 5), (0, -1)])
    def test_a_range_is_not_negative(self, storage, folder, start, length):
        key = f"{folder}value"
        storage.write(key, b"12345")
        with pytest.raises(InvalidKeyError, match="may not be negative"):
            storage.read_range(key, start, length)

    @pytest.mark.parametrize("read", ["read", "size", "load"])
    def test_a_missing_key_is_named(self, storage, folder, read):
        key = f"{folder}nothing here"
        with pytest.raises(DataNotFoundError, match=r"nothing here|No entry") as caught:
            getattr(storage, read)(key)
        assert isinstance(caught.value, SpacerInputError)
        assert isinstance(caught.value, FileNotFoundError)
        assert isinstance(caught.value, KeyError)

    @pytest.mark.parametrize("length", [0, 5])
    def test_no_range_of_a_missing_key_is_read(self, storage, folder, length):
        with pytest.raises(DataNotFoundError):
            storage.read_range(f"{folder}nothing here", 0, length)

    def test_a_key_exists_from_writing_to_deleting(self, storage, folder):
        key = f"{folder}folder/value"
        assert not storage.exists(key)
        storage.write(key, b"")
        assert storage.exists(key)
        storage.delete(key)
        assert not storage.exists(key)

    def test_deleting_twice_is_no_error(self, storage, folder):
        storage.write(f"{folder}value", b"1")
        storage.delete(f"{folder}value")
        storage.delete(f"{folder}value")
        storage.delete(f"{folder}folder/never")

    def test_a_second_write_takes_the_place_of_the_first(self, storage, folder):
        key = f"{folder}value"
        storage.write(key, b"the first and longer one")
        storage.write(key, b"second")
        assert storage.read(key) == b"second"

    def test_keys_are_listed_by_the_text_they_begin_with(self, storage, folder):
        for name in ("reef_1.jpg", "reef_2.jpg", "reef/3.jpg", "reef/deep/4.jpg", "sand.jpg"):
            storage.write(folder + name, b"1")
        listed = {prefix: sorted(storage.list(folder + prefix)) for prefix in ("", "reef", "reef/", "reef_1", "x")}
        assert {prefix: [key.removeprefix(folder) for key in keys] for prefix, keys in listed.items()} == {
            "": ["reef/3.jpg", "reef/deep/4.jpg", "reef_1.jpg", "reef_2.jpg", "sand.jpg"],
            "reef": ["reef/3.jpg", "reef/deep/4.jpg", "reef_1.jpg", "reef_2.jpg"],
            "reef/": ["reef/3.jpg", "reef/deep/4.jpg"],
            "reef_1": ["reef_1.jpg"],
            "x": [],
        }

    @pytest.mark.parametrize("key", ["../up", "folder/../../up", "..", "back\\..\\up"])
    def test_a_key_may_not_climb_out(self, storage, folder, key):
        if not self.guards_keys:
            pytest.skip("what its keys may be, it decides")
        for use in (storage.read, storage.delete, storage.exists, storage.size):
            with pytest.raises(InvalidKeyError, match=r"'\.\.' among its parts"):
                use(folder + key)
        with pytest.raises(ValueError, match=r"'\.\.' among its parts"):
            storage.write(folder + key, b"1")

    @pytest.mark.parametrize("key", ["", "nul\0nul"])
    def test_no_key_is_empty_or_has_a_nul(self, storage, folder, key):
        if not self.guards_keys:
            pytest.skip("what its keys may be, it decides")
        with pytest.raises(InvalidKeyError, match=r"may not be"):
            storage.read(key)
        with pytest.raises(InvalidKeyError, match=r"may not be"):
            storage.write(key, b"1")

    def test_streams_are_stored_whole_and_loaded_at_their_start(self, storage, folder):
        stream = BytesIO(b"0123456789")
        stream.read()
        storage.store(f"{folder}stream", stream)
        loaded = storage.load(f"{folder}stream")
        assert loaded.tell() == 0
        assert loaded.read() == b"0123456789"

    def test_many_keys_are_read_and_the_missing_ones_named(self, storage, folder):
        keys = [f"{folder}{number}" for number in range(30)]
        for key in keys[:-2]:
            storage.write(key, key.encode())
        found = dict(storage.read_many(keys, concurrency=4))
        assert {key: found[key] for key in keys[:-2]} == {key: key.encode() for key in keys[:-2]}
        assert all(isinstance(found[key], DataNotFoundError) for key in keys[-2:])

    def test_of_two_writers_one_wins_whole(self, storage, folder):
        key = f"{folder}value"
        candidates = [bytes([number]) * 300_000 for number in range(4)]
        storage.write(key, candidates[0])
        seen, missed = [], []

        def write(data):
            for _ in range(3):
                try:
                    storage.write(key, data)
                    seen.append(storage.read(key))
                except (DataNotFoundError, TransientError) as error:
                    missed.append(error)

        writers = [threading.Thread(target=write, args=(data,)) for data in candidates]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert len(seen) + len(missed) == 12
        assert not missed or not self.replaces_at_once
        assert set(seen) <= set(candidates)
        if missed:
            # What it keeps of writers who came at once is its own affair; the next one alone must be heard.
            storage.write(key, candidates[0])
        assert storage.read(key) in candidates

    def test_many_values_are_written_at_once(self, storage, folder):
        parts: dict[str, list[Any]] = {
            f"{folder}{number}.jpg": [b"%d" % number, memoryview(b"xyz")[1:], b""] for number in range(20)
        }
        storage.write_many(parts.items())
        assert {key: storage.read(key) for key in storage.list(folder)} == {
            key: b"".join(value) for key, value in parts.items()
        }
        # In place of those that were there.
        storage.write_many([(f"{folder}3.jpg", [b"new"])])
        assert storage.read(f"{folder}3.jpg") == b"new"

    def test_many_values_may_be_made_in_memory_that_is_used_again(self, storage, folder):
        memory = bytearray(4)

        def values():
            for number in range(10):
                memory[:] = b"%4d" % number
                yield f"{folder}{number}", [memoryview(memory)]

        storage.write_many(values())
        assert [storage.read(f"{folder}{number}") for number in range(10)] == [b"%4d" % n for n in range(10)]

    def test_no_value_is_written_where_one_may_not(self, storage, folder):
        if not self.guards_keys:
            pytest.skip("what its keys may be, it decides")
        with pytest.raises(InvalidKeyError):
            storage.write_many([(f"{folder}a/../b", [b"x"])])

    def test_a_version_changes_with_the_value(self, storage, folder):
        key = f"{folder}value"
        storage.write(key, b"one")
        version = storage.version(key)
        assert storage.version(key) == version
        storage.write(key, b"three")
        assert storage.version(key) != version
        with pytest.raises(DataNotFoundError):
            storage.version(f"{folder}nothing")

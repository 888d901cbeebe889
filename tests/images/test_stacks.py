"""Stacks of decoded images: NumPy's own files, written and read in a stream, believed in nothing."""

from __future__ import annotations

import struct
import tracemalloc
import zipfile
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.exceptions import ArchiveError, CollectionError
from spacer_like.images import stacks
from spacer_like.images.stacks import Stack, StackWriter, ids_file, read_ids
from spacer_like.rarity.metadata import token_id

PIXELS = np.random.default_rng(1).integers(0, 256, (11, 6, 6, 3), np.uint8)


def written(path, pixels=PIXELS, expected=None, parts=3) -> bytes:
    with StackWriter(path, len(pixels) if expected is None else expected, pixels.shape[1]) as writer:
        for part in np.array_split(pixels, parts):
            writer.add(part)
    return path.read_bytes()


def saved(array, save=np.savez) -> bytes:
    stream = BytesIO()
    save(stream, array)
    return stream.getvalue()


def opened(data: bytes) -> Stack:
    return Stack(BytesIO(data), "pixels.npz")


def read(data: bytes, places=None, length=4) -> np.ndarray:
    stack = opened(data)
    places = range(stack.shape[0]) if places is None else places
    size = stack.shape[1]
    parts = stack.parts(places, length, lambda count: np.empty((count, size, size, 3), np.uint8))
    return np.concatenate([*parts, np.empty((0, size, size, 3), np.uint8)])


def npz(member: bytes, name: str = "arr_0.npy", compression=zipfile.ZIP_STORED) -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr(name, member)
    return stream.getvalue()


def npy(header: str, data: bytes = b"", version: bytes = b"\1\0") -> bytes:
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header.encode() + data


def header(shape: str, descr: str = "|u1", fortran: bool = False) -> str:
    return f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n"


def broken(pixels):
    raise ValueError("no pixels")


class TestWriting:
    def test_numpy_reads_it(self, tmp_path):
        written(tmp_path / "pixels.npz")
        with np.load(tmp_path / "pixels.npz", allow_pickle=False) as found:
            assert found.files == ["arr_0"]
            assert np.array_equal(found["arr_0"], PIXELS)
        assert zipfile.ZipFile(tmp_path / "pixels.npz").testzip() is None

    def test_the_same_pixels_are_the_same_bytes(self, tmp_path):
        """Whenever they are written, and in whatever parts, and however many were expected."""
        first = written(tmp_path / "a.npz")
        assert written(tmp_path / "b.npz", parts=11) == first
        assert written(tmp_path / "c.npz", expected=2000) == first
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz", "c.npz"]

    def test_it_can_be_mapped_into_memory(self, tmp_path):
        data = written(tmp_path / "pixels.npz")
        offset = data.index(PIXELS.tobytes())
        found = np.memmap(tmp_path / "pixels.npz", np.uint8, "r", offset, PIXELS.shape)
        assert np.array_equal(found, PIXELS)

    def test_no_image_is_a_stack_as_well(self, tmp_path):
        data = written(tmp_path / "pixels.npz", PIXELS[:0], expected=5, parts=1)
        assert opened(data).shape == (0, 6, 6, 3)

    def test_an_error_meanwhile_leaves_no_open_file(self, tmp_path):
        with pytest.raises(ValueError, match="no pixels"), StackWriter(tmp_path / "pixels.npz", 11, 6) as writer:
            writer.add(broken(PIXELS))

    def test_ids_are_texts_that_numpy_reads(self):
        tokens = ["7", "10", "ölçü", ""]
        data = ids_file(tokens)
        assert data == ids_file(tokens)
        with np.load(BytesIO(data), allow_pickle=False) as found:
            assert found["arr_0"].tolist() == tokens
            assert found["arr_0"].dtype.kind == "U"


class TestReading:
    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    @pytest.mark.parametrize("length", [1, 4, 11, 100])
    def test_what_numpy_saves_is_read(self, save, length):
        assert np.array_equal(read(saved(PIXELS, save), length=length), PIXELS)

    @given(st.lists(st.integers(0, 10), unique=True).map(sorted), st.integers(1, 5), st.booleans())
    def test_any_places_are_read(self, places, length, is_compressed):
        data = saved(PIXELS, np.savez_compressed if is_compressed else np.savez)
        assert np.array_equal(read(data, places, length), PIXELS[places])

    def test_a_compressed_stack_is_never_held_whole(self):
        data = saved(np.zeros((300, 224, 224, 3), np.uint8), np.savez_compressed)
        stack = opened(data)
        memory = np.empty((10, 224, 224, 3), np.uint8)
        tracemalloc.start()
        total = sum(len(part) for part in stack.parts(range(300), 10, lambda count: memory[:count]))
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert total == 300
        assert held < 16 * 2**20

    def test_any_order_of_bytes_is_read(self):
        for order in "<>":
            assert read_ids(BytesIO(saved(np.array(["7", "å"], f"{order}U3"))), "ids.npz", 2) == ["7", "å"]

    def test_ids_are_spelt_as_the_caller_spells_them(self):
        data = saved(np.array(["007", "a"]), np.savez_compressed)
        assert read_ids(BytesIO(data), "ids.npz", 2) == ["007", "a"]
        assert read_ids(BytesIO(data), "ids.npz", 2, token_id, "token") == ["7", "a"]


class TestHostileStacks:
    def told(self, data: bytes, text: str, kind=CollectionError):
        with pytest.raises(kind, match=text) as caught:
            read(data)
        assert "'pixels.npz'" in str(caught.value)

    def test_pickled_objects_are_not_read(self):
        # Whoever loaded it would run this.
        objects = np.array([print, len], dtype=object)
        stream = BytesIO()
        np.savez(stream, objects, allow_pickle=True)
        self.told(stream.getvalue(), r"holds Python objects, which are not read\.$")

    @pytest.mark.parametrize(
        "array",
        [
            PIXELS.astype(np.float32),
            PIXELS[0],
            PIXELS[:, :5],
            PIXELS[..., :2],
            np.zeros((3, 0, 0, 3), np.uint8),
            np.array(["7"]),
        ],
        ids=lambda array: f"{array.dtype}{list(array.shape)}",
    )
    def test_other_arrays_are_told(self, array):
        self.told(saved(array), r"must be an array uint8 \[n, size, size, 3\], and is ")

    def test_an_array_of_fields_is_told(self):
        self.told(saved(np.zeros(3, [("a", "u1")])), r"is not read: its elements have fields\.$")

    def test_an_array_the_other_way_round_is_told(self):
        self.told(saved(np.asfortranarray(PIXELS)), "lies in memory in an order that is not read")

    @pytest.mark.parametrize("shape", ["(12, 6, 6, 3)", "(10, 6, 6, 3)", "(99999999999999999999, 6, 6, 3)"])
    def test_a_header_that_states_another_size_is_told(self, shape):
        self.told(npz(npy(header(shape), PIXELS.tobytes())), r"should take \d+ bytes by its shape, and takes 1188\.$")

    @pytest.mark.parametrize("shape", ["(-1, 6, 6, 3)", "(-11, -6, 6, 3)"])
    def test_negative_sizes_are_told(self, shape):
        self.told(npz(npy(header(shape), PIXELS.tobytes())), r"is not read: its header is malformed\.$")

    @pytest.mark.parametrize(
        "text",
        ["", "{", "[]", "__import__('os')", header("6"), header("(1.5,)"), header("(1,)", "nonsense"), "(" * 60_000],
        ids=lambda text: text[:20],
    )
    def test_a_malformed_header_is_told(self, text):
        self.told(npz(npy(text, PIXELS.tobytes())), "is not read: its ")

    def test_other_formats_are_told(self):
        self.told(npz(b"no array, but long enough"), r"is no NumPy array of format 1\.0")
        self.told(npz(npy(header("(1, 1, 1, 3)"), b"rgb", version=b"\3\0")), r"is no NumPy array of format 1\.0")
        self.told(npz(b"\x93NUM"), "is damaged")
        self.told(npz(npy(header("(1, 1, 1, 3)"))[:50]), "is damaged")

    def test_other_members_are_told(self):
        self.told(npz(npy(header("(1, 1, 1, 3)"), b"rgb"), name="pixels.npy"), "holds no array arr_0")

    @pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_other_compressions_are_told(self, compression):
        self.told(npz(npy(header("(1, 1, 1, 3)"), b"rgb"), compression=compression), "compressed by an unknown method")

    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    def test_a_file_that_is_cut_short_is_told(self, save):
        data = saved(PIXELS, save)
        for length in (0, 10, len(data) // 2, len(data) - 1):
            self.told(data[:length], "is no zip archive, or is damaged", ArchiveError)

    def test_a_stored_member_that_is_shorter_than_the_list_says_is_told(self):
        data = npz(npy(header("(11, 6, 6, 3)"), PIXELS.tobytes()))
        entry = data.index(b"PK\1\2")
        for size in (10, 2**31):
            lie = struct.pack("<L", size)
            self.told(data[: entry + 20] + lie + data[entry + 24 :], "is damaged")

    def test_a_compressed_member_that_ends_early_or_is_garbage_is_told(self):
        data = saved(PIXELS, np.savez_compressed)
        entry = data.index(b"PK\1\2")
        short = data[: entry + 20] + struct.pack("<L", 500) + data[entry + 24 :]
        self.told(short, "is damaged")
        self.told(data[:600] + b"\xff" * 200 + data[800:], "is damaged")

    def test_a_member_that_begins_nowhere_is_told(self):
        data = saved(PIXELS)
        entry = data.index(b"PK\1\2")
        self.told(data[: entry + 42] + struct.pack("<L", 77) + data[entry + 46 :], "is damaged")


class TestHostileIds:
    def told(self, array_or_bytes, text, count=2):
        data = array_or_bytes if isinstance(array_or_bytes, bytes) else saved(array_or_bytes)
        with pytest.raises(CollectionError, match=text) as caught:
            read_ids(BytesIO(data), "ids.npz", count)
        assert "'ids.npz'" in str(caught.value)

    @pytest.mark.parametrize(
        "array", [np.array(["7"]), np.array([7, 8]), np.array([["7", "8"]]), np.array([b"7", b"8"])]
    )
    def test_other_arrays_are_told(self, array):
        self.told(array, "must be an array of 2 texts, one for each image, and are")

    def test_an_id_that_is_there_twice_is_told(self):
        self.told(np.array(["7", "7"]), r"hold the image '7' twice\.")
        with pytest.raises(CollectionError, match=r"The ids 'ids\.npz' hold the token '7' twice\."):
            read_ids(BytesIO(saved(np.array(["7", "07"]))), "ids.npz", 2, token_id, "token")

    @pytest.mark.parametrize("letter", [0x110000, 0xFFFFFFFF, 0xD800, 0xDFFF])
    def test_letters_that_do_not_exist_are_told(self, letter):
        data = npz(npy(header("(2,)", "<U1"), struct.pack("<2L", 55, letter)))
        self.told(data, "hold letters that do not exist")

    def test_too_many_bytes_are_not_read(self, monkeypatch):
        monkeypatch.setattr(stacks, "MOST_ID_BYTES", 2**20)
        self.told(np.zeros(2, "U200000"), "take more than 1 MiB")

    def test_pickled_objects_are_not_read(self):
        self.told(np.array([print, len], dtype=object), "holds Python objects")

    def test_texts_without_letters_are_read(self):
        data = npz(npy(header("(1,)", "<U0")))
        assert read_ids(BytesIO(data), "ids.npz", 1) == [""]

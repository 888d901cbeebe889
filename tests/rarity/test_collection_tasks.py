"""Checking and converting collections."""

from __future__ import annotations

import os
import zipfile
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from spacer_like import examples, storage
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import CollectionError, DataNotFoundError, MessageError, StorageUnavailableError
from spacer_like.rarity.messages import CheckCollectionMsg, ConvertCollectionMsg
from spacer_like.tasks import check_collection, convert_collection

EMOJI = DataLocation("filesystem", str(examples.EMOJI))
APES = DataLocation("memory", "apes/")


def plain(colour, size=(8, 8)) -> bytes:
    stream = BytesIO()
    Image.new("RGB", size, colour).save(stream, "PNG")
    return stream.getvalue()


def store(images: dict[str, bytes], folder: DataLocation = APES) -> None:
    for name, data in images.items():
        storage.write_bytes(DataLocation(folder.storage_type, f"{folder.key}{name}", folder.bucket_name), data)


def check(loc: DataLocation = APES, **fields):
    return check_collection(CheckCollectionMsg(collection_id="apes", images_loc=loc, size=8, **fields))


def convert(stack_loc: DataLocation, loc: DataLocation = APES, size: int = 8, **fields):
    return convert_collection(
        ConvertCollectionMsg(collection_id="apes", images_loc=loc, stack_loc=stack_loc, size=size, **fields)
    )


def loaded(loc: DataLocation) -> np.ndarray:
    with np.load(BytesIO(storage.read_bytes(loc)), allow_pickle=False) as found:
        assert found.files == ["arr_0"]
        return found["arr_0"]


class TestChecking:
    def test_an_empty_collection_is_told_and_no_error(self):
        found = check()
        assert (found.empty, found.pre_reveal, found.n_images, found.largest_share) == (True, False, 0, 0.0)
        assert found.reason == "The collection 'memory://apes/' holds no image."

    def test_a_folder_that_is_not_there_is_an_error(self, tmp_path):
        with pytest.raises(DataNotFoundError, match="There is no folder"):
            check(DataLocation("filesystem", f"{tmp_path}/apes"))

    def test_nothing_but_broken_files_is_empty(self):
        store({"1": b"a text", "2": b""})
        found = check()
        assert found.empty
        assert found.reason.startswith("None of the 2 files of the collection 'memory://apes/' can be decoded")
        assert [entry.name for entry in found.unreadable] == ["1", "2"]

    def test_one_image_is_neither_empty_nor_pre_reveal(self):
        store({"1.png": plain("red")})
        found = check()
        assert (found.n_images, found.n_distinct, found.largest_share) == (1, 1, 1.0)
        assert (found.empty, found.pre_reveal, found.placeholder_token, found.reason) == (False, False, None, None)

    def test_equal_images_are_pre_reveal_in_whatever_files(self):
        store({"1.png": plain("red"), "2": plain("red", (30, 20))})
        found = check()
        assert (found.n_images, found.n_distinct, found.pre_reveal, found.placeholder_token) == (2, 1, True, "1")

    def test_a_threshold_below_one_lets_some_differ(self):
        store({str(number): plain("red" if number < 9 else "blue") for number in range(10)})
        assert not check().pre_reveal
        found = check(threshold=0.9)
        assert (found.pre_reveal, found.largest_share, found.n_distinct) == (True, 0.9, 2)

    def test_a_broken_file_does_not_stop_the_rest(self):
        store({"1": plain("red"), "2": plain("red")[:-30], "3": plain("lime")})
        found = check()
        assert (found.n_images, found.n_distinct) == (2, 2)
        assert [entry.name for entry in found.unreadable] == ["2"]

    def test_the_preparation_decides_what_is_alike(self):
        for name, colour in (("1", (10, 20, 30, 0)), ("2", (200, 100, 0, 0))):
            stream = BytesIO()
            Image.new("RGBA", (8, 8), colour).save(stream, "PNG")
            store({name: stream.getvalue()})
        assert not check().pre_reveal
        assert check(background="#ffffff").pre_reveal

    def test_a_sample_is_drawn_by_its_seed(self):
        store({str(number): plain((number, 0, 0)) for number in range(100)})
        first = check(mode="sample", sample_size=20, seed=1)
        assert first.n_images == 20
        assert first.n_distinct <= 20
        assert check(mode="sample", sample_size=20, seed=1).model_copy(update={"runtime": first.runtime}) == first
        assert len({check(mode="sample", sample_size=20, seed=seed).n_distinct for seed in range(8)}) > 1

    def test_a_sample_decodes_no_more_than_was_drawn(self):
        store({str(number): b"no image" for number in range(100)})
        assert len(check(mode="sample", sample_size=10).unreadable) <= 10

    def test_a_sample_of_one_token_is_not_pre_reveal(self):
        store({"1": plain("red")})
        found = check(mode="sample")
        assert (found.n_images, found.pre_reveal) == (10, False)
        store({"2": plain("red")})
        assert check(mode="sample").pre_reveal

    def test_a_sample_of_nothing_is_empty(self):
        assert check(mode="sample").empty

    def test_a_thousand_emoji_differ(self):
        found = check_collection(CheckCollectionMsg(collection_id="emoji", images_loc=EMOJI, size=32))
        assert (found.n_images, found.unreadable, found.empty, found.pre_reveal) == (1000, [], False, False)
        assert found.n_distinct > 950


class TestConverting:
    STACK = DataLocation("memory", "apes/numpy/pixels.npz")
    IDS = DataLocation("memory", "apes/numpy/ids.npz")

    def test_pixels_and_ids_are_in_the_order_of_the_tokens(self):
        store({"10.png": plain((10, 0, 0)), "9": plain((9, 0, 0)), "odd": plain((1, 2, 3)), "11": b"no image"})
        found = convert(self.STACK)
        assert found.n_images == 3
        assert [entry.name for entry in found.unreadable] == ["11"]
        assert loaded(self.IDS).tolist() == ["9", "10", "odd"]
        assert loaded(self.IDS).dtype.kind == "U"
        pixels = loaded(self.STACK)
        assert (pixels.dtype, pixels.shape) == (np.uint8, (3, 8, 8, 3))
        assert pixels[:, 0, 0].tolist() == [[9, 0, 0], [10, 0, 0], [1, 2, 3]]

    def test_the_same_collection_gives_the_same_bytes(self, tmp_path):
        store({str(number): plain((number, 0, 0)) for number in range(20)})
        convert(self.STACK)
        first = storage.read_bytes(self.STACK), storage.read_bytes(self.IDS)
        for folder in (tmp_path / "a", tmp_path / "b"):
            convert(DataLocation("filesystem", str(folder / "pixels.npz")))
            assert ((folder / "pixels.npz").read_bytes(), (folder / "ids.npz").read_bytes()) == first
            assert sorted(os.listdir(folder)) == ["ids.npz", "pixels.npz"]

    @pytest.mark.parametrize("server", ["moto", "rclone"])
    def test_a_stack_goes_to_s3_and_is_read_from_there(self, server, request):
        with request.getfixturevalue(server).settings():
            stack = DataLocation("s3", "numpy/pixels.npz", request.getfixturevalue(server).make_bucket())
            assert convert(stack, EMOJI, size=32).n_images == 1000
            convert(self.STACK, EMOJI, size=32)
            assert storage.read_bytes(stack) == storage.read_bytes(self.STACK)
            again = check_collection(CheckCollectionMsg(collection_id="emoji", images_loc=stack, size=32))
            assert again.n_images == 1000

    def test_the_conversion_says_as_much_as_the_images(self):
        store({str(number): plain((number // 2, 0, 0)) for number in range(11)})
        images = check()
        convert(self.STACK)
        assert check(self.STACK).model_copy(update={"runtime": images.runtime}) == images

    def test_ids_may_lie_elsewhere(self):
        store({"1": plain("red")})
        convert(self.STACK, ids_loc=DataLocation("memory", "elsewhere.npz"))
        assert loaded(DataLocation("memory", "elsewhere.npz")).tolist() == ["1"]
        assert not storage.exists(self.IDS)

    @pytest.mark.parametrize("files", [{}, {"1": b"a text"}])
    def test_an_empty_collection_is_an_error_that_names_it_and_writes_nothing(self, files, tmp_path):
        store(files)
        for stack in (self.STACK, DataLocation("filesystem", f"{tmp_path}/pixels.npz")):
            with pytest.raises(
                CollectionError, match=r"the collection 'memory://apes/'|The collection 'memory://apes/'"
            ):
                convert(stack)
            assert not storage.exists(stack)
        assert os.listdir(tmp_path) == []

    def test_a_place_is_not_both_source_and_result(self):
        store({"1": plain("red")})
        convert(self.STACK)
        for fields in ({"loc": self.STACK}, {"ids_loc": self.STACK}):
            with pytest.raises(MessageError, match=r"^stack_loc (would overwrite images_loc|and ids_loc are both)"):
                convert(self.STACK, **fields)

    def test_a_stack_stands_beside_no_foreign_ids(self, monkeypatch):
        """Where the work is broken off between the two results."""
        store({"1": plain("red")})
        convert(self.STACK)
        store({"2": plain("lime")})
        storage.delete(DataLocation("memory", "apes/1"))

        def fail(*arguments, **options):
            raise StorageUnavailableError("The storage does not answer.")

        monkeypatch.setattr("spacer_like.rarity.tasks.collections.write_file", fail)
        with pytest.raises(StorageUnavailableError):
            convert(self.STACK)
        assert not storage.exists(self.STACK)

    def test_a_failed_conversion_leaves_the_results_of_before(self):
        store({"1": plain("red")})
        convert(self.STACK)
        before = storage.read_bytes(self.STACK)
        store({"1": b"broken"})
        with pytest.raises(CollectionError):
            convert(self.STACK)
        assert storage.read_bytes(self.STACK) == before
        assert loaded(self.IDS).tolist() == ["1"]

    def test_emoji_are_what_pillow_makes_of_them(self):
        convert(self.STACK, EMOJI, size=32)
        pixels, ids = loaded(self.STACK), loaded(self.IDS)
        assert ids.tolist() == [str(number) for number in range(1000)]
        with zipfile.ZipFile(EMOJI.key) as archive:
            for number in (0, 9, 10, 500, 999):
                with archive.open(f"{number}.png") as file:
                    assert np.array_equal(pixels[number], np.asarray(Image.open(file).convert("RGBA"))[..., :3])

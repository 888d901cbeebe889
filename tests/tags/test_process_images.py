"""Images to a table of embeddings: what stands in it, what is used again, what failed and is said."""

import csv
import json
import sqlite3
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from io import BytesIO, StringIO

import numpy as np
import pytest
from PIL import Image

from spacer_like import config
from spacer_like.data_classes import DataLocation
from spacer_like.embeddings import extractor_encoder
from spacer_like.embeddings.embeddings_table import (
    EmbeddingsTable,
    ImageRecord,
    embeddings_writer,
    read_embeddings_table,
)
from spacer_like.exceptions import (
    CollectionError,
    ExtractorMismatchError,
    MessageError,
    StorageUnavailableError,
    TableError,
)
from spacer_like.extractors import DummyExtractor
from spacer_like.message_base import location_fields
from spacer_like.messages import ProcessImagesMsg
from spacer_like.progress import listening
from spacer_like.storage import clear_memory_storage, list_keys, read_bytes, write_bytes
from spacer_like.tags import encoding
from spacer_like.tags.encoding import encoding_of
from spacer_like.tags.image_hashes import content_hash, described_image, pixel_hash
from spacer_like.tags.original_json import read_original_json, read_tag_to_hash
from spacer_like.tags.tasks import part_files, process
from spacer_like.tags.tasks.process import process_images
from spacer_like.testing.extractors import MeanColour

from .photographs import coloured, encoded, photographs, small, stored

TABLE = DataLocation("memory", "out/embeddings.parquet")


@pytest.fixture(autouse=True)
def _memory():
    yield
    clear_memory_storage()


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """The images that are decoded."""
    names: list[str] = []

    def counted(data, name, fill=None):
        names.append(name)
        return described_image(data, name, fill)

    monkeypatch.setattr(encoding, "described_image", counted)
    return names


def message(images: DataLocation, **fields) -> ProcessImagesMsg:
    return ProcessImagesMsg(**{"images_loc": images, "embeddings_loc": TABLE, "extractor": MeanColour()} | fields)


def table(loc: DataLocation = TABLE) -> EmbeddingsTable:
    return read_embeddings_table(BytesIO(read_bytes(loc)), loc.display_name)


def vector_of(data: bytes) -> np.ndarray:
    extractor = MeanColour()
    square = extractor.preprocessing.square(Image.open(BytesIO(data)))
    return extractor_encoder(extractor, whole_images=True).features(square[None])[0]


def animals() -> dict[str, bytes]:
    return {
        "cat/flower.png": encoded(small("flower"), "PNG"),
        "cat/later.jpg": encoded(small("flower", 50)),
        "other/pagoda.JPG": encoded(small("china")),
        "other/roof.gif": encoded(small("roof"), "GIF"),
    }


IN_ZIPS = ("a.png", "x/in.zip/b.png", "x/in.zip/in.zip/c.png")


def nested_zips() -> bytes:
    """The images `IN_ZIPS`, of the seeds 0, 1 and 2."""

    def zipped(files: dict[str, bytes]) -> bytes:
        stream = BytesIO()
        with zipfile.ZipFile(stream, "w") as file:
            for name, data in files.items():
                file.writestr(name, data)
        return stream.getvalue()

    inner = zipped({"b.png": coloured(1), "in.zip": zipped({"c.png": coloured(2)})})
    return zipped({"a.png": coloured(0), "x/in.zip": inner})


class TestTheTable:
    def test_has_what_is_known_of_every_image_in_the_order_of_the_paths(self):
        files = animals()
        answer = process_images(message(stored(files)))

        found = table()
        for record, vector, (name, data) in zip(found.records, found.vectors, sorted(files.items()), strict=True):
            image = Image.open(BytesIO(data))
            assert record == ImageRecord(
                f"memory://set/{name}",
                content_hash(data),
                pixel_hash(image),
                image.format,
                len(data),
                *image.size,
                (name.partition("/")[0],),
            )
            assert np.array_equal(vector, vector_of(data))
        assert found.encoder_id == answer.encoder_id == MeanColour().whole_image_id
        assert (answer.n_images, answer.n_encoded, answer.n_reused, answer.n_failed) == (4, 4, 0, 0)
        assert answer.tags == {"cat": 2, "other": 2}
        assert answer.dimension == found.dimension == 6

    @pytest.mark.parametrize(
        "data",
        [
            encoded(Image.fromarray(small("china")).quantize(16), "PNG"),
            encoded(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100, "PNG"),
            encoded(small("china"), "WEBP", lossless=True),
            encoded(Image.fromarray(small("china")).convert("CMYK")),
            encoded(Image.fromarray(small("china")).convert("1"), "TIFF"),
            encoded(small("china"), "BMP"),
            encoded(Image.new("RGB", (1, 900)), "PNG"),
        ],
        ids=["palette", "16 bits", "WebP", "CMYK", "one bit", "BMP", "a line"],
    )
    def test_has_images_of_every_kind(self, data):
        answer = process_images(message(stored({"a.png": data}), tagged=False))
        assert answer.n_images == 1
        assert table().records[0].hash_id == pixel_hash(data)

    @pytest.mark.parametrize("name", ['it\'s "one".png', "new\nline.png", "Σπύρος 猫.png", f"{'x' * 251}.png", "A.PNG"])
    def test_has_names_as_they_are(self, name, tmp_path):
        folder = tmp_path / "images"
        (folder / "tag's").mkdir(parents=True)
        (folder / "tag's" / name).write_bytes(coloured(0))
        database = tmp_path / "stage1.db"

        process_images(
            message(DataLocation("filesystem", str(folder)), database_loc=DataLocation("filesystem", str(database)))
        )

        assert table().records[0].path == f"{folder}/tag's/{name}"
        with closing(sqlite3.connect(database)) as opened:
            assert opened.execute("SELECT file_name, file_path FROM stage1").fetchall() == [
                (name, f"{folder}/tag's/{name}")
            ]

    def test_loses_no_image_whose_pixels_have_the_hash_of_others(self):
        black = {
            f"{mode}.png": encoded(Image.new(mode, size), "PNG") for mode, size in [("RGB", (1, 2)), ("L", (6, 1))]
        }
        metadata = DataLocation("memory", "metadata.json")

        answer = process_images(message(stored(black), tagged=False, metadata_json_loc=metadata))

        first, second = table().records
        assert first.hash_id == second.hash_id
        assert answer.n_images == 2
        # By the hash there can only be one: the last.
        assert read_original_json(read_bytes(metadata), "m").records == [second._replace(content_hash="")]

    def test_has_the_images_of_zips_in_zips(self):
        process_images(message(stored({"set.zip": nested_zips()}), tagged=False))

        paths = [record.path for record in table().records]
        assert paths == [f"memory://set/set.zip/{name}" for name in IN_ZIPS]

    @pytest.mark.parametrize("key", ["reefs", "reefs/set.zip"], ids=["prefix", "zip"])
    def test_has_the_images_of_zips_in_zips_in_s3(self, key, moto):
        bucket = moto.make_bucket()
        with moto.settings():
            write_bytes(DataLocation("s3", "reefs/loose.png", bucket), coloured(3))
            write_bytes(DataLocation("s3", "reefs/set.zip", bucket), nested_zips())
            answer = process_images(message(DataLocation("s3", key, bucket), tagged=False))

        assert answer.failed == []
        loose = {"reefs": ["loose.png"], "reefs/set.zip": []}[key]
        names = [*loose, *(f"set.zip/{name}" for name in IN_ZIPS)]
        found = table()
        assert [record.path for record in found.records] == [f"s3://{bucket}/reefs/{name}" for name in names]
        seeds = [*(3 for _ in loose), 0, 1, 2]
        np.testing.assert_allclose(found.vectors, [vector_of(coloured(seed)) for seed in seeds], rtol=1e-6)

    def test_leaves_out_what_is_excluded_and_says_which_patterns_match_nothing(self):
        answer = process_images(message(stored(animals()), exclude=["cat/lat*", "*.tiff"]))
        assert [record.path.rpartition("/")[2] for record in table().records] == [
            "flower.png",
            "pagoda.JPG",
            "roof.gif",
        ]
        assert answer.unused_patterns == ["*.tiff"]

    @pytest.mark.parametrize("threads", [1, 2, 5])
    def test_has_the_same_bytes_with_any_number_of_threads(self, threads, monkeypatch):
        images = stored({f"{k}.png": coloured(k % 30) for k in range(40)})
        process_images(message(images, tagged=False))
        expected = read_bytes(TABLE)
        clear_memory_storage()
        images = stored({f"{k}.png": coloured(k % 30) for k in range(40)})
        with config.override(torch_threads=threads):
            process_images(message(images, tagged=False))
        assert read_bytes(TABLE) == expected

    def test_is_the_same_where_many_squares_enter_the_network_at_once(self, monkeypatch):
        images = stored({f"{k}.png": coloured(k) for k in range(9)})
        process_images(message(images, tagged=False))
        expected = read_bytes(TABLE)
        clear_memory_storage()
        images = stored({f"{k}.png": coloured(k) for k in range(9)})
        monkeypatch.setattr(process, "encoding_of", lambda *given: replace(encoding_of(*given), together=4))
        assert process_images(message(images, tagged=False)).n_encoded == 9
        assert read_bytes(TABLE) == expected


class TestWhatFails:
    FILES = {  # noqa: RUF012
        "a.png": coloured(0),
        "broken.jpg": encoded(photographs()["china"])[:9000],
        "empty.png": b"",
        "no image.png": b"text",
    }

    def test_is_a_row_of_failures_and_never_the_end(self):
        failures = DataLocation("memory", "failures.csv")
        answer = process_images(message(stored(self.FILES), tagged=False, failures_loc=failures))

        assert [record.path for record in table().records] == ["memory://set/a.png"]
        assert (answer.n_images, answer.n_failed) == (1, 3)
        names = [f"memory://set/{name}" for name in sorted(self.FILES)[1:]]
        assert [entry.name for entry in answer.failed] == names
        assert all(entry.name in entry.reason for entry in answer.failed)
        heading, *rows = csv.reader(StringIO(read_bytes(failures).decode()))
        assert heading == ["path", "reason"]
        assert rows == [[entry.name, entry.reason] for entry in answer.failed]

    def test_is_tried_again_and_not_taken_for_done(self):
        images = stored(self.FILES)
        process_images(message(images, tagged=False))
        write_bytes(DataLocation("memory", "set/empty.png"), coloured(1))
        answer = process_images(message(images, tagged=False))
        assert (answer.n_reused, answer.n_encoded, answer.n_failed) == (1, 1, 2)

    def test_of_equal_bytes_fails_each_by_its_name(self):
        files = {"a.png": coloured(0)} | {f"b{k}.png": b"\x89PNG\r\n\x1a\n nothing" for k in range(5)}
        answer = process_images(message(stored(files), tagged=False))
        assert [entry.name for entry in answer.failed] == [f"memory://set/b{k}.png" for k in range(5)]
        assert all(entry.name in entry.reason for entry in answer.failed)

    def test_too_many_pixels_are_refused_before_they_are_decoded(self):
        files = {"a.png": coloured(0), "huge.png": encoded(Image.new("1", (30, 21)), "PNG")}
        with config.override(max_image_pixels=600):
            answer = process_images(message(stored(files), tagged=False))
        assert "MAX_IMAGE_PIXELS" in answer.failed[0].reason

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_has_not_the_path_of_an_image_of_the_same_name(self):
        stream = BytesIO()
        with zipfile.ZipFile(stream, "w") as file:
            for seed in range(3):
                file.writestr("cat/a.png", coloured(seed))
        write_bytes(DataLocation("memory", "a.zip"), stream.getvalue())

        answer = process_images(message(DataLocation("memory", "a.zip")))

        assert [record.path for record in table().records] == ["memory://a.zip/cat/a.png"]
        assert {entry.name for entry in answer.failed} == {"memory://a.zip/cat/a.png [1]"}
        assert table().records[0].hash_id == pixel_hash(coloured(2))

    def test_if_it_is_all_there_is_the_first_reason_is_the_error(self):
        images = stored({"a.png": b"", "b.png": b"text"})
        with pytest.raises(CollectionError, match=r"None of the 2 files .* because: .*'memory://set/a\.png'.+\.$"):
            process_images(message(images, tagged=False))
        assert list(list_keys(DataLocation("memory", "out"))) == []

    def test_an_empty_collection_is_an_error(self, tmp_path):
        with pytest.raises(CollectionError, match="holds no image"):
            process_images(message(DataLocation("filesystem", str(tmp_path)), tagged=False))

    def test_a_storage_that_does_not_answer_ends_the_run_and_what_was_done_is_kept(self, monkeypatch, decoded):
        images = stored({f"{k}.png": coloured(k) for k in range(40)})
        read = process.TagSource.read

        def failing(self, image):
            if image.name == "9.png":
                raise StorageUnavailableError("The storage sleeps.")
            return read(self, image)

        with monkeypatch.context() as patched:
            patched.setattr(process.TagSource, "read", failing)
            with config.override(torch_threads=1), pytest.raises(StorageUnavailableError, match="sleeps"):
                process_images(message(images, tagged=False))
        done = len(decoded)
        assert done > 10
        answer = process_images(message(images, tagged=False))
        assert answer.n_images == 40
        assert answer.n_reused > 0
        assert [loc.key for loc in list_keys(DataLocation("memory", "out"))] == [TABLE.key]


class TestWhatIsUsedAgain:
    def test_an_image_is_not_decoded_while_its_bytes_are_the_same(self, decoded):
        images = stored(animals())
        process_images(message(images))
        before = read_bytes(TABLE)
        decoded.clear()

        answer = process_images(message(images))

        assert (answer.n_encoded, answer.n_reused, decoded) == (0, 4, [])
        assert read_bytes(TABLE) == before

    def test_equal_files_are_decoded_once(self, decoded):
        files = {f"{k}.png": coloured(k % 2) for k in range(20)}
        answer = process_images(message(stored(files), tagged=False))
        assert len(decoded) == answer.n_encoded == 2
        assert (answer.n_images, answer.n_reused) == (20, 18)

    def test_a_table_of_before_may_be_elsewhere_and_the_result_is_that_of_a_fresh_run(self, decoded):
        images = stored(animals())
        process_images(message(images))
        write_bytes(DataLocation("memory", "set/cat/flower.png"), coloured(3))
        write_bytes(DataLocation("memory", "set/new tag/moved.jpg"), animals()["other/pagoda.JPG"])
        decoded.clear()
        other, fresh = DataLocation("memory", "other.parquet"), DataLocation("memory", "fresh.parquet")

        answer = process_images(message(images, embeddings_loc=other, previous_loc=TABLE))

        assert decoded == ["memory://set/cat/flower.png"]
        assert (answer.n_encoded, answer.n_reused) == (1, 4)
        process_images(message(images, embeddings_loc=fresh))
        assert read_bytes(other) == read_bytes(fresh)

    def _write_other(self, loc: DataLocation, encoder_id: str = "another") -> None:
        stream = BytesIO()
        with embeddings_writer(stream, encoder_id, 2) as append:
            record = ImageRecord("a", content_hash(coloured(0)), "0" * 128, "PNG", 1, 1, 1)
            append([record], np.ones((1, 2), np.float32))
        write_bytes(loc, stream.getvalue())

    def test_a_table_of_another_encoder_that_is_replaced_is_not_used(self):
        self._write_other(TABLE)
        answer = process_images(message(stored({"a.png": coloured(0)}), tagged=False))
        assert answer.n_encoded == 1
        assert table().dimension == 6

    def test_a_damaged_table_that_is_replaced_is_not_used(self, caplog):
        write_bytes(TABLE, b"PAR1")
        assert process_images(message(stored({"a.png": coloured(0)}), tagged=False)).n_encoded == 1
        assert "The table is made anew: 'memory://out/embeddings.parquet' is no table" in caplog.text

    def test_an_earlier_table_of_another_encoder_is_refused(self):
        previous = DataLocation("memory", "previous.parquet")
        self._write_other(previous)
        images = stored({"a.png": coloured(0)})
        with pytest.raises(ExtractorMismatchError, match=r"previous\.parquet' was made with the encoder another"):
            process_images(message(images, tagged=False, previous_loc=previous))

    def test_an_earlier_table_that_lies_about_its_vectors_is_refused(self):
        previous = DataLocation("memory", "previous.parquet")
        self._write_other(previous, MeanColour().whole_image_id)
        with pytest.raises(TableError, match=r"previous\.parquet' has vectors of another length"):
            process_images(message(stored({"a.png": coloured(0)}), tagged=False, previous_loc=previous))

    @pytest.fixture(params=["memory", "filesystem", "s3"])
    def folder(self, request, tmp_path):
        """A folder of a storage."""
        if request.param != "s3":
            yield DataLocation(request.param, str(tmp_path / "folder"))
            return
        server = request.getfixturevalue("moto")
        with server.settings():
            yield DataLocation("s3", "folder", server.make_bucket())

    def test_parts_are_written_read_and_removed_wherever_the_table_is(self, folder, monkeypatch, decoded):
        monkeypatch.setattr(part_files, "SECONDS_OF_A_PART", 0)
        images, out = folder.below("set", ""), folder.below("out", "embeddings.parquet")
        for k in range(80):
            write_bytes(images.below(f"{k:03d}.png"), coloured(k))
        process_images(message(images, tagged=False))
        expected = read_bytes(TABLE)

        class Stopped(BaseException):
            pass

        def stop(work, ended, total):
            if ended == 70:
                raise Stopped

        with pytest.raises(Stopped), listening(stop):
            process_images(message(images, tagged=False, embeddings_loc=out))
        parts = list(list_keys(folder.below("out", "")))
        # The last one was written because of the error.
        assert len(parts) == 3
        assert all(loc.key.startswith(f"{out.key}.part-") for loc in parts)
        write_bytes(parts[0], b"damaged")
        decoded.clear()

        answer = process_images(message(images, tagged=False, embeddings_loc=out))

        assert len(decoded) == answer.n_encoded
        assert 10 <= answer.n_encoded <= 50
        assert read_bytes(out) == expected
        assert list(list_keys(folder.below("out", ""))) == [out]

    def test_two_runs_at_once_give_the_table_of_one(self, monkeypatch):
        monkeypatch.setattr(part_files, "SECONDS_OF_A_PART", 0)
        images = stored({f"{k:03d}.png": coloured(k) for k in range(80)})
        alone = DataLocation("memory", "alone.parquet")
        process_images(message(images, tagged=False, embeddings_loc=alone))

        with ThreadPoolExecutor(2) as workers:
            answers = list(workers.map(process_images, [message(images, tagged=False)] * 2))

        assert [answer.n_images for answer in answers] == [80, 80]
        assert read_bytes(TABLE) == read_bytes(alone)
        assert list(list_keys(DataLocation("memory", "out"))) == [TABLE]


@pytest.mark.parametrize(
    "field", [name for name, (is_output, _) in location_fields(ProcessImagesMsg).items() if is_output]
)
@pytest.mark.parametrize("storage", ["memory", "filesystem"])
def test_no_output_may_lie_among_the_images(tmp_path, field, storage):
    """The next run would take it for one of them."""
    images = DataLocation(storage, str(tmp_path / "images"))
    write_bytes(images.below("a.png"), coloured(0))
    with pytest.raises(MessageError, match=rf"^{field} '.*' would be one of the files of images_loc"):
        process_images(message(images, tagged=False, **{field: images.below("deep/out.parquet")}))
    assert process_images(message(images, tagged=False)).n_failed == 0


class TestTheOriginalFiles:
    LOCATIONS = {  # noqa: RUF012
        "metadata_json_loc": DataLocation("memory", "input-metadata.json"),
        "tag_to_hash_json_loc": DataLocation("memory", "input-tag-to-image-hash-list.json"),
        "hash_to_tag_json_loc": DataLocation("memory", "input-image-hash-to-tag-list.json"),
        "database_loc": DataLocation("memory", "stage1.db"),
    }

    def files(self) -> dict[str, bytes]:
        # The same pixels in another format, and the same bytes in another folder.
        again = encoded(small("flower"), "BMP")
        return animals() | {"wet/flower.bmp": again, "wet/pagoda.JPG": animals()["other/pagoda.JPG"]}

    def test_have_an_image_once_with_the_tags_of_all_files_of_its_pixels(self):
        process_images(message(stored(self.files()), **self.LOCATIONS))

        records = {record.path: record for record in table().records}
        read = read_original_json(read_bytes(self.LOCATIONS["metadata_json_loc"]), "m")
        names = ["cat/flower.png", "cat/later.jpg", "other/pagoda.JPG", "other/roof.gif"]
        tags = [("cat", "wet"), ("cat",), ("other", "wet"), ("other",)]
        expected = [records[f"memory://set/{name}"] for name in names]
        assert read.records == [
            record._replace(content_hash="", tags=some) for record, some in zip(expected, tags, strict=True)
        ]
        assert read.encoder_id == MeanColour().whole_image_id
        assert np.array_equal(read.vectors, [vector_of(animals()[name]) for name in names])
        hashes = [record.hash_id for record in expected]
        assert read_tag_to_hash(read_bytes(self.LOCATIONS["tag_to_hash_json_loc"]), "t") == {
            "cat": hashes[:2],
            "wet": [hashes[0], hashes[2]],
            "other": hashes[2:],
        }
        assert json.loads(read_bytes(self.LOCATIONS["hash_to_tag_json_loc"])) == dict(
            zip(hashes, map(list, tags), strict=True)
        )

    def test_name_the_class_and_id_of_the_extractor(self):
        process_images(message(stored(animals()), **self.LOCATIONS))
        first = next(iter(json.loads(read_bytes(self.LOCATIONS["metadata_json_loc"])).values()))
        assert [first[key] for key in ("embeddings_type", "model", "pretrained")] == [
            "spacer_like",
            "MeanColour",
            MeanColour().whole_image_id,
        ]

    def test_are_of_the_last_file_of_the_same_pixels_where_there_are_no_tags(self):
        locations = {name: self.LOCATIONS[name] for name in ("metadata_json_loc", "database_loc")}
        process_images(message(stored(self.files()), tagged=False, **locations))
        paths = [record.path for record in read_original_json(read_bytes(locations["metadata_json_loc"]), "m").records]
        assert paths == [
            f"memory://set/{name}" for name in ("cat/later.jpg", "other/roof.gif", "wet/flower.bmp", "wet/pagoda.JPG")
        ]
        assert '"image_tags"' not in read_bytes(locations["metadata_json_loc"]).decode()

    def test_the_database_has_a_row_for_each_hash(self, tmp_path):
        path = tmp_path / "stage1.db"
        process_images(message(stored(self.files()), database_loc=DataLocation("filesystem", str(path))))
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("PRAGMA encoding").fetchone() == ("UTF-8",)
            rows = database.execute("SELECT file_name, file_path, type FROM stage1").fetchall()
        assert rows == [
            ("flower.png", "memory://set/cat/flower.png", ".png"),
            ("later.jpg", "memory://set/cat/later.jpg", ".jpg"),
            ("pagoda.JPG", "memory://set/other/pagoda.JPG", ".JPG"),
            ("roof.gif", "memory://set/other/roof.gif", ".gif"),
        ]

    @pytest.mark.parametrize("field", ["tag_to_hash_json_loc", "hash_to_tag_json_loc"])
    def test_of_tags_are_refused_where_there_are_none(self, field):
        with pytest.raises(MessageError, match=f"{field} is for images with tags"):
            process_images(message(stored(animals()), tagged=False, **{field: self.LOCATIONS[field]}))


def test_an_extractor_that_does_not_look_at_images_is_refused():
    with pytest.raises((MessageError, ExtractorMismatchError)):
        process_images(message(stored(animals()), extractor=DummyExtractor(feature_dim=6)))

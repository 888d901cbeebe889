"""Images of a table that are the same, and those that look most like one."""

import csv
from io import BytesIO, StringIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spacer_like.data_classes import DataLocation
from spacer_like.embeddings.embeddings_table import EmbeddingsTable, ImageRecord, read_embeddings_table
from spacer_like.exceptions import DataNotFoundError, ExtractorMismatchError, ImageError, MessageError, TableError
from spacer_like.extractors import DummyExtractor
from spacer_like.messages import FindDuplicatesMsg, FindSimilarImagesMsg, ProcessImagesMsg
from spacer_like.storage import clear_memory_storage, read_bytes, write_bytes
from spacer_like.tags.duplicates import image_groups
from spacer_like.tags.tasks.duplicates import find_duplicates, find_similar_images
from spacer_like.tags.tasks.process import process_images
from spacer_like.testing.extractors import MeanColour

from .photographs import encoded, photographs, small, stored

TABLE = DataLocation("memory", "embeddings.parquet")
OUT = DataLocation("memory", "out.csv")


@pytest.fixture(scope="module", autouse=True)
def _table():
    china = encoded(photographs()["china"], quality=95)
    files = {
        "china/1.jpg": china,
        "china/2.jpg": china,
        "china/smaller.jpg": encoded(small("china", 400), quality=95),
        "flower/1.png": encoded(small("flower"), "PNG"),
        "flower/2.bmp": encoded(small("flower"), "BMP"),
        "other/roof.png": encoded(small("roof"), "PNG"),
    }
    process_images(ProcessImagesMsg(images_loc=stored(files), embeddings_loc=TABLE, extractor=MeanColour()))
    yield
    clear_memory_storage()


def at(*names: str) -> list[str]:
    return [f"memory://set/{name}" for name in names]


def rows_of(loc: DataLocation) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(read_bytes(loc).decode())))


class TestDuplicates:
    def test_are_found_by_bytes_by_pixels_and_nearly(self):
        answer = find_duplicates(FindDuplicatesMsg(embeddings_loc=TABLE, distance=0.05, groups_loc=OUT))

        near, pixels = answer.groups
        assert (near.kind, near.paths) == ("near", at("china/1.jpg", "china/2.jpg", "china/smaller.jpg"))
        assert 0 < near.largest_distance < 0.05
        assert (pixels.kind, pixels.paths) == ("pixels", at("flower/1.png", "flower/2.bmp"))
        assert pixels.largest_distance == 0
        assert (answer.n_images, answer.n_groups, answer.n_duplicates) == (6, 2, 3)
        rows = rows_of(OUT)
        assert [(row["group"], row["path"]) for row in rows] == [
            *(("0", path) for path in near.paths),
            *(("1", path) for path in pixels.paths),
        ]
        table = read_embeddings_table(BytesIO(read_bytes(TABLE)), "t")
        assert {row["id"] for row in rows} == {r.id for r in table.records if not r.path.endswith("roof.png")}
        assert max(float(row["distance"]) for row in rows) == near.largest_distance

    def test_at_no_distance_are_equal(self):
        answer = find_duplicates(FindDuplicatesMsg(embeddings_loc=TABLE, distance=0))
        assert [(group.kind, group.paths) for group in answer.groups] == [
            ("bytes", at("china/1.jpg", "china/2.jpg")),
            ("pixels", at("flower/1.png", "flower/2.bmp")),
        ]

    def test_may_be_none_and_the_table_has_its_columns(self):
        assert image_groups(EmbeddingsTable("t", "e", [record(0, 0)], np.ones((1, 2), np.float32)), 0) == []

    def test_of_equal_bytes_are_a_group_though_their_vectors_are_of_nothing_but_zeros(self):
        table = EmbeddingsTable("t", "e", [record(k, 0) for k in range(2)], np.zeros((2, 3), np.float32))
        assert [(group.kind, group.rows) for group in image_groups(table, 0)] == [("bytes", [0, 1])]

    @given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=12))
    def test_every_image_is_in_one_group_at_most_with_all_that_equal_it(self, images):
        records = [record(k, content)._replace(hash_id=f"{pixels}") for k, (content, pixels) in enumerate(images)]
        vectors = np.eye(4, dtype=np.float32)[[pixels for _, pixels in images]]
        groups = image_groups(EmbeddingsTable("t", "e", records, vectors), 0.5)

        group_of = {row: number for number, group in enumerate(groups) for row in group.rows}
        assert len(group_of) == sum(len(group.rows) for group in groups)
        for one, (content, pixels) in enumerate(images):
            for other, (content_of_other, pixels_of_other) in enumerate(images[:one]):
                if content == content_of_other or pixels == pixels_of_other:
                    assert group_of[one] == group_of[other]

    def test_of_one_hash_and_size_are_none_where_their_palettes_differ(self):
        """Whoever removes duplicates would lose the drawing in the other colours."""
        drawn = Image.fromarray((np.arange(64 * 64).reshape(64, 64) // 512 % 2).astype(np.uint8), "P")
        files = {}
        for name, colours in (("red", [255, 0, 0, 90, 0, 0]), ("blue", [0, 0, 255, 0, 0, 90])):
            drawn.putpalette(colours)
            files[f"{name}/1.png"], files[f"{name}/2.gif"] = encoded(drawn, "PNG"), encoded(drawn, "GIF")
        loc = DataLocation("memory", "palettes.parquet")
        process_images(ProcessImagesMsg(images_loc=stored(files, "two"), embeddings_loc=loc, extractor=MeanColour()))
        assert len({r.hash_id for r in read_embeddings_table(BytesIO(read_bytes(loc)), "t").records}) == 1
        answer = find_duplicates(FindDuplicatesMsg(embeddings_loc=loc))
        assert [(group.kind, group.paths) for group in answer.groups] == [
            ("pixels", [f"memory://two/{name}/1.png", f"memory://two/{name}/2.gif"]) for name in ("blue", "red")
        ]

    def test_a_table_of_another_ending_is_refused_before_the_work(self):
        with pytest.raises(TableError, match=r"must end with \.csv or \.parquet"):
            find_duplicates(FindDuplicatesMsg(embeddings_loc=OUT, groups_loc=DataLocation("memory", "groups.txt")))


def record(number: int, content: int) -> ImageRecord:
    return ImageRecord(f"{number}.png", f"{content}", f"{number}", "PNG", 1, 1, 1)


class TestSimilarImages:
    def test_of_one_of_the_table_are_the_nearest_others(self):
        path = at("china/1.jpg")[0]
        answer = find_similar_images(FindSimilarImagesMsg(embeddings_loc=TABLE, path=path, k=3, results_loc=OUT))

        assert [image.path for image in answer.similar[:2]] == at("china/2.jpg", "china/smaller.jpg")
        assert len(answer.similar) == 3
        assert answer.similar[0].distance == 0
        assert answer.similar[0].tags == ["china"]
        assert [(row["path"], float(row["distance"]), row["tags"]) for row in rows_of(OUT)] == [
            (image.path, image.distance, *image.tags) for image in answer.similar
        ]

    def test_of_another_image_may_be_all_there_are(self):
        loc = DataLocation("memory", "query.png")
        write_bytes(loc, encoded(small("flower"), "PNG"))
        answer = find_similar_images(
            FindSimilarImagesMsg(embeddings_loc=TABLE, image_loc=loc, extractor=MeanColour(), k=100)
        )
        assert len(answer.similar) == 6
        assert [image.path for image in answer.similar[:2]] == at("flower/1.png", "flower/2.bmp")
        assert [image.distance for image in answer.similar[:2]] == [0, 0]

    def test_of_an_image_that_the_table_has_are_others(self):
        files = {f"{name}.png": encoded(small(name), "PNG") for name in ("china", "flower", "roof")}
        folder, loc = stored(files, "three"), DataLocation("memory", "three.parquet")
        process_images(ProcessImagesMsg(images_loc=folder, embeddings_loc=loc, tagged=False, extractor=MeanColour()))
        image = folder.below("china.png")
        by_path, by_image = (
            find_similar_images(FindSimilarImagesMsg(embeddings_loc=loc, extractor=MeanColour(), **query)).similar
            for query in ({"path": image.display_name}, {"image_loc": image})
        )
        assert [one.path for one in by_image] == [one.path for one in by_path]
        assert image.display_name not in {one.path for one in by_image}

    def test_need_the_encoder_of_the_table(self):
        write_bytes(OUT, encoded(small("flower"), "PNG"))
        with pytest.raises(ExtractorMismatchError, match=r"The table 'memory://embeddings\.parquet' was made with"):
            find_similar_images(
                FindSimilarImagesMsg(embeddings_loc=TABLE, image_loc=OUT, extractor=DummyExtractor(feature_dim=6))
            )

    def test_need_an_image(self):
        write_bytes(OUT, b"text")
        with pytest.raises(ImageError, match=r"out\.csv"):
            find_similar_images(FindSimilarImagesMsg(embeddings_loc=TABLE, image_loc=OUT, extractor=MeanColour()))

    def test_need_a_path_of_the_table(self):
        message = FindSimilarImagesMsg(embeddings_loc=TABLE, path=at("china/1.jpeg")[0])
        with pytest.raises(DataNotFoundError, match=r"has no image .* Did you mean memory://set/china/1\.jpg\?"):
            find_similar_images(message)

    @pytest.mark.parametrize("fields", [{}, {"path": "a", "image_loc": TABLE}])
    def test_need_one_query(self, fields):
        with pytest.raises(MessageError, match="name one of them"):
            find_similar_images(FindSimilarImagesMsg(embeddings_loc=TABLE, **fields))

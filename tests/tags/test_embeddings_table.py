"""The table of embeddings: what is written is read, its bytes depend on the images alone, others are refused."""

from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spacer_like.embeddings.embeddings_table import ImageRecord, embeddings_writer, read_embeddings_table
from spacer_like.exceptions import TableError


def records(n: int) -> list[ImageRecord]:
    tags = [(), ("cat",), ("dog, wet", "cat")]
    return [
        ImageRecord(f"ph/ü'\n{k}.png", f"{k % 7:064x}", f"{k:0128x}", "PNG", 10 + k, 3, 4, tags[k % 3])
        for k in range(n)
    ]


def written(rows: list[ImageRecord], vectors: np.ndarray, step: int = 500) -> bytes:
    file = BytesIO()
    with embeddings_writer(file, "encoder", vectors.shape[1]) as append:
        for start in range(0, len(rows), step):
            append(rows[start : start + step], vectors[start : start + step])
    return file.getvalue()


@pytest.mark.parametrize("n", [0, 1, 1024, 2500])
def test_what_is_written_is_read(n):
    rows, vectors = records(n), np.random.default_rng(n).normal(size=(n, 5)).astype(np.float32)

    table = read_embeddings_table(BytesIO(written(rows, vectors)), "e.parquet")

    assert table.records == rows
    assert table.encoder_id == "encoder"
    assert np.array_equal(table.vectors, vectors)
    assert table.row_of_path == {row.path: k for k, row in enumerate(rows)}
    assert table.row_of_content == {row.content_hash: k for k, row in enumerate(rows[:7])}


def test_the_bytes_do_not_depend_on_the_parts():
    rows, vectors = records(2500), np.random.default_rng(0).normal(size=(2500, 5)).astype(np.float32)

    assert written(rows, vectors, 1) == written(rows, vectors, 1024) == written(rows, vectors, 2500)


def test_ids_tell_images_by_path_and_bytes():
    one = records(1)[0]

    assert len({one.id, one._replace(path="b").id, one._replace(content_hash="1").id}) == 3
    assert one._replace(tags=("other",)).id == one.id


def altered(change) -> bytes:
    rows = records(3)
    table = pq.read_table(BytesIO(written(rows, np.ones((3, 5), np.float32))))
    file = BytesIO()
    pq.write_table(change(table), file)
    return file.getvalue()


def replaced(name: str, values) -> object:
    return lambda table: table.set_column(
        table.schema.get_field_index(name), table.schema.field(name), pa.array(values, table.schema.field(name).type)
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PAR1 and then nothing",
        altered(lambda table: table.drop_columns(["vector"])),
        altered(lambda table: table.replace_schema_metadata({})),
        altered(replaced("vector", [[np.nan] * 5] * 3)),
        altered(replaced("path", ["a", "a", "b"])),
        altered(replaced("path", ["a", None, "b"])),
        altered(replaced("tags", [["a"], [None], []])),
        altered(replaced("tags", [["a"], [""], []])),
        altered(replaced("tags", [["a"], ["a" * 4097], []])),
        altered(replaced("extractor_id", ["a", "a", "b"])),
    ],
    ids=[
        "empty",
        "no Parquet",
        "no vectors",
        "no format",
        "NaN",
        "one path twice",
        "no path",
        "no tag",
        "an empty tag",
        "a tag that no model could have",
        "two encoders",
    ],
)
def test_another_file_is_refused_by_its_name(data):
    with pytest.raises(TableError, match=r"'e\.parquet' is (no table of embeddings|damaged)"):
        read_embeddings_table(BytesIO(data), "e.parquet")

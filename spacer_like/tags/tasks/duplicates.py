"""The tasks that compare the images of a table: duplicates, and the images that look most like one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spacer_like.embeddings import ExactSearch, check_same_encoder, extractor_encoder, unit_length
from spacer_like.embeddings.embeddings_table import EmbeddingsTable, read_embeddings_table
from spacer_like.exceptions import DataNotFoundError, MessageError, TableError, nearest
from spacer_like.images.files import file_bytes
from spacer_like.location import DataLocation
from spacer_like.overwriting import task
from spacer_like.storage import open_file
from spacer_like.tables.writing import check_endings, write_tables
from spacer_like.tags.duplicates import groups_table, image_groups
from spacer_like.tags.messages import (
    DuplicateGroup,
    FindDuplicatesMsg,
    FindDuplicatesReturnMsg,
    FindSimilarImagesMsg,
    FindSimilarImagesReturnMsg,
    SimilarImage,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_ANSWERED = 1000


@task
def find_duplicates(msg: FindDuplicatesMsg) -> FindDuplicatesReturnMsg:
    """Find images that are the same: by their bytes, by their pixels, or nearly, by their vectors.

    Raises:
        TableError: a damaged table, or the name of the table of groups has an unknown ending.
        DataNotFoundError: there is no table.
    """
    start = time.perf_counter()
    _check_ending(msg.groups_loc)
    table = _read(msg.embeddings_loc)
    groups = image_groups(table, msg.distance)
    if msg.groups_loc is not None:
        write_tables([(groups_table(table, groups), msg.groups_loc)])
    return FindDuplicatesReturnMsg(
        n_images=len(table.records),
        n_groups=len(groups),
        n_duplicates=sum(len(group.rows) - 1 for group in groups),
        groups=[
            DuplicateGroup(
                kind=group.kind,
                paths=[table.records[row].path for row in group.rows],
                largest_distance=float(group.distances.max()),
            )
            for group in groups[:_MOST_ANSWERED]
        ],
        runtime=time.perf_counter() - start,
    )


@task
def find_similar_images(msg: FindSimilarImagesMsg) -> FindSimilarImagesReturnMsg:
    """Find the images that look most like one of a table, or like another image.

    Raises:
        MessageError: not exactly one of path and image_loc is named.
        DataNotFoundError: the table has no image of this path, or something is not there.
        ExtractorMismatchError: the table was made with another extractor.
        TableError: a damaged table, or the name of the table of results has an unknown ending.
        ImageError: the image cannot be decoded.
    """
    start = time.perf_counter()
    if (msg.path is None) == (msg.image_loc is None):
        raise MessageError("find_similar_images looks for a path or for an image_loc: name one of them.")
    _check_ending(msg.results_loc)
    table = _read(msg.embeddings_loc)
    vectors = unit_length(table.vectors)
    left_out = -1
    if msg.path is not None:
        left_out = _row_of(table, msg.path)
        query = vectors[left_out]
    elif msg.image_loc is not None:
        left_out = table.row_of_path.get(msg.image_loc.display_name, -1)
        query = _encoded(msg, msg.image_loc, table)
    found = ExactSearch(vectors, table.name).search(query[None], msg.k + (left_out >= 0))
    nearest_rows = [
        (row, distance)
        for row, distance in zip(found.indices[0].tolist(), found.distances[0].tolist(), strict=True)
        if row != left_out
    ]
    similar = [
        SimilarImage(path=table.records[row].path, distance=distance, tags=list(table.records[row].tags))
        for row, distance in nearest_rows[: msg.k]
    ]
    if msg.results_loc is not None:
        _write_similar(msg.results_loc, similar)
    return FindSimilarImagesReturnMsg(similar=similar, runtime=time.perf_counter() - start)


def _check_ending(loc: DataLocation | None) -> None:
    if loc is not None:
        check_endings([loc])


def _read(loc: DataLocation) -> EmbeddingsTable:
    with open_file(loc) as file:
        return read_embeddings_table(file, loc.display_name)


def _row_of(table: EmbeddingsTable, path: str) -> int:
    row = table.row_of_path.get(path)
    if row is None:
        hint = nearest(path, table.row_of_path)
        raise DataNotFoundError(f"'{table.name}' has no image '{path}'.{hint}")
    return row


def _encoded(msg: FindSimilarImagesMsg, image_loc: DataLocation, table: EmbeddingsTable) -> NDArray[np.float32]:
    """The vector of length one of the image that is looked for, float32 [d]."""
    encoder = extractor_encoder(msg.extractor, whole_images=True)
    check_same_encoder(table.encoder_id, encoder.encoder_id, f"The table '{table.name}'")
    if table.dimension != encoder.dimension:
        raise TableError(
            f"'{table.name}' is damaged: its vectors have {table.dimension} numbers, and its encoder makes "
            f"{encoder.dimension}."
        )
    name = image_loc.display_name
    square = np.empty((encoder.size, encoder.size, 3), np.uint8)
    msg.extractor.preprocessing.fill()(square, file_bytes(image_loc, name), name)
    vector: NDArray[np.float32] = encoder.encode(square[None])[0]
    return vector


def _write_similar(loc: DataLocation, similar: Sequence[SimilarImage]) -> None:
    import pyarrow as pa

    columns = {
        "path": [image.path for image in similar],
        "distance": [image.distance for image in similar],
        "tags": [", ".join(image.tags) for image in similar],
    }
    schema = pa.schema([("path", pa.string()), ("distance", pa.float64()), ("tags", pa.string())])
    write_tables([(pa.table(columns, schema), loc)])

"""The task that makes a table of embeddings of images."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from io import TextIOWrapper
from logging import getLogger
from typing import BinaryIO, TextIO

from spacer_like.embeddings import Encoder, check_same_encoder, extractor_encoder
from spacer_like.embeddings.embeddings_table import EmbeddingsFile, embeddings_writer
from spacer_like.exceptions import CollectionError, MessageError, TableError
from spacer_like.location import DataLocation
from spacer_like.message_base import Unreadable, none_of
from spacer_like.overwriting import task
from spacer_like.storage import exists, open_file, temporary_file, write_file
from spacer_like.tables.failures import MOST_ANSWERED, write_failures
from spacer_like.tags.encoding import encoding_of
from spacer_like.tags.known_images import KnownImages
from spacer_like.tags.messages import ProcessImagesMsg, ProcessImagesReturnMsg
from spacer_like.tags.original_json import OWN_TYPE, Marker, write_lists, write_metadata
from spacer_like.tags.source import SourceImage, TagSource, open_tag_source
from spacer_like.tags.sqlite_tables import write_database
from spacer_like.tags.table_rows import STAGE_1, TableRows, UniqueImages
from spacer_like.tags.tasks.part_files import PartFiles

logger = getLogger(__name__)


@task
def process_images(msg: ProcessImagesMsg) -> ProcessImagesReturnMsg:
    """Make a table of embeddings of images: a row for every image, with its vector, its hashes and its tags.

    Raises:
        CollectionError: there is no image, none that can be decoded (of a part: there may be none), or the folders are
            not those of tags.
        ExtractorMismatchError: the earlier table was made with another extractor.
        TableError: the earlier table is damaged, or the name of a table has an unknown ending.
        MessageError: hashes of tags are asked for, of images without tags; or files beside the table, of a part.
        DataNotFoundError: there are no images, or no earlier table.
    """
    start = time.perf_counter()
    _check(msg)
    encoder = extractor_encoder(msg.extractor, whole_images=True)
    with (
        open_tag_source(msg.images_loc, msg.tagged, msg.exclude) as source,
        temporary_file(msg.embeddings_loc) as path,
        KnownImages(path, encoder.dimension) as known,
    ):
        parts = PartFiles(msg.embeddings_loc, encoder.encoder_id, encoder.dimension)
        _read_known(msg, encoder.encoder_id, known, parts)
        rows, failed, n_encoded = _encode(msg, encoder, source, known, parts)
        _write(msg, encoder, rows, failed)
        parts.remove()
        return ProcessImagesReturnMsg(
            n_images=len(rows),
            n_encoded=n_encoded,
            n_reused=len(rows) - n_encoded,
            n_failed=len(failed),
            tags=rows.tag_counts,
            dimension=encoder.dimension,
            encoder_id=encoder.encoder_id,
            failed=failed[:MOST_ANSWERED],
            unused_patterns=source.unmatched,
            runtime=time.perf_counter() - start,
        )


def _check(msg: ProcessImagesMsg) -> None:
    for field in ("failures_loc", "metadata_json_loc", "tag_to_hash_json_loc", "hash_to_tag_json_loc", "database_loc"):
        if msg.part is not None and getattr(msg, field) is not None:
            raise MessageError(f"{field} is of all images: leave it out, or leave part out.")
    if msg.failures_loc is not None:
        from spacer_like.tables.writing import check_endings

        check_endings([msg.failures_loc])
    for field in ("tag_to_hash_json_loc", "hash_to_tag_json_loc"):
        if getattr(msg, field) is not None and not msg.tagged:
            raise MessageError(f"{field} is for images with tags: leave it out, or let tagged be true.")


def _read_known(msg: ProcessImagesMsg, encoder_id: str, known: KnownImages, parts: PartFiles) -> None:
    """Read what is known: the parts of an interrupted run, the earlier table, and the one that will be replaced."""
    if msg.previous_loc is not None:
        with open_file(msg.previous_loc) as file:
            table = EmbeddingsFile(file, msg.previous_loc.display_name)
            check_same_encoder(table.encoder_id, encoder_id, f"The table '{table.name}'")
            _add(table, known)
    if exists(msg.embeddings_loc):
        try:
            with open_file(msg.embeddings_loc) as file:
                table = EmbeddingsFile(file, msg.embeddings_loc.display_name)
                if table.encoder_id == encoder_id:
                    _add(table, known)
                else:
                    logger.info("The table '%s' is of another encoder, and is made anew.", table.name)
        except TableError as error:
            logger.warning("The table is made anew: %s", error)
    parts.read_into(known)


def _add(table: EmbeddingsFile, known: KnownImages) -> None:
    for records, vectors in table.parts():
        known.add(records, vectors, table.name)


def _encode(
    msg: ProcessImagesMsg, encoder: Encoder, source: TagSource, known: KnownImages, parts: PartFiles
) -> tuple[TableRows, list[Unreadable], int]:
    """The rows of the table, the files that have none in the order of their paths, and how many were decoded."""
    images = part_of(source.images, msg.part)
    encoding = encoding_of(msg.extractor, encoder)
    paths = [image.path for image in images]
    try:
        encoded = encoding(paths, lambda index: source.read(images[index]), known, parts.add, source.files.is_far)
    except BaseException:
        parts.write()
        raise
    tags = {image.tag: () if image.tag is None else (image.tag,) for image in images}
    keys = [
        (image.path, content, tags[image.tag])
        for image, content in zip(images, encoded.contents, strict=True)
        if content is not None
    ]
    others = [Unreadable.of(paths[index], reason) for index, reason in encoded.reasons.items()]
    failed = sorted([*(source.unreadable if msg.part is None else ()), *others], key=lambda entry: entry.name)
    if not keys and msg.part is None:
        raise CollectionError(_reason_for_nothing(source.name, failed))
    return TableRows(known, keys), failed, encoded.n_encoded


def part_of(images: Sequence[SourceImage], part: Sequence[int] | None) -> Sequence[SourceImage]:
    """The images of a part, see `ProcessImagesMsg`."""
    if part is None:
        return images
    index, count = part
    return images[index * len(images) // count : (index + 1) * len(images) // count]


def _reason_for_nothing(name: str, failed: Sequence[Unreadable]) -> str:
    if not failed:
        return f"The collection '{name}' holds no image."
    return none_of(failed, f"file of the collection '{name}'", "be decoded")


def _write(msg: ProcessImagesMsg, encoder: Encoder, rows: TableRows, failed: Sequence[Unreadable]) -> None:
    """Write what was asked for; the table last: where it stands, the others do too."""
    locs = (msg.metadata_json_loc, msg.tag_to_hash_json_loc, msg.hash_to_tag_json_loc, msg.database_loc)
    if any(locs):
        unique = UniqueImages(rows, msg.tagged)
        marker = Marker(OWN_TYPE, type(msg.extractor).__name__, encoder.encoder_id)
        _write_text(
            msg.metadata_json_loc,
            lambda file: write_metadata(file, marker, unique.images(), tagged=msg.tagged),
        )
        _write_text(msg.tag_to_hash_json_loc, lambda file: write_lists(file, unique.hashes_of_tags()))
        _write_text(msg.hash_to_tag_json_loc, lambda file: write_lists(file, unique.tags_of_hashes()))
        if msg.database_loc is not None:
            write_database(msg.database_loc, STAGE_1, unique.stage_1())
    if msg.failures_loc is not None:
        write_failures(msg.failures_loc, failed)
    _write_file(msg.embeddings_loc, partial(_write_rows, encoder=encoder, rows=rows))


def _write_rows(file: BinaryIO, encoder: Encoder, rows: TableRows) -> None:
    with embeddings_writer(file, encoder.encoder_id, encoder.dimension) as append:
        for records, vectors in rows.blocks():
            append(records, vectors)


def _write_text(loc: DataLocation | None, write: Callable[[TextIO], None]) -> None:
    def write_encoded(file: BinaryIO) -> None:
        with TextIOWrapper(file, encoding="utf-8", newline="\n") as text:
            write(text)

    if loc is not None:
        _write_file(loc, write_encoded)


def _write_file(loc: DataLocation, write: Callable[[BinaryIO], None]) -> None:
    with temporary_file(loc) as path:
        with path.open("wb") as file:
            write(file)
        write_file(loc, path, consume=True)

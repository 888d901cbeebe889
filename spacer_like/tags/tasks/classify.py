"""The task that scores images by models of tags, and sorts them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from spacer_like.embeddings.embeddings_table import embeddings_writer, read_embeddings_table
from spacer_like.exceptions import CollectionError
from spacer_like.message_base import Unreadable, none_of
from spacer_like.overwriting import task
from spacer_like.storage import open_file, read_bytes, temporary_file, write_file
from spacer_like.tables.failures import MOST_ANSWERED, write_failures
from spacer_like.tables.writing import check_endings
from spacer_like.tags.messages import ClassifyImagesMsg, ClassifyImagesReturnMsg
from spacer_like.tags.model_folder import read_tag_models
from spacer_like.tags.original_json import read_original_json
from spacer_like.tags.scored_images import GIVEN, REVIEW, STAGE_3, STAGE_4, FoundArchive, ScoredBy, ScoredImages
from spacer_like.tags.source import TagSource, open_tag_source
from spacer_like.tags.sqlite_tables import write_database
from spacer_like.tags.tag_model import TagScorer
from spacer_like.tags.tasks.output_folder import ImageFiles, check_output, write_output
from spacer_like.tags.vector_source import VectorSource

if TYPE_CHECKING:
    from spacer_like.embeddings.embeddings_table import ImageRecord
    from spacer_like.location import DataLocation
    from spacer_like.tags.known_images import KnownImages
    from spacer_like.tags.tag_model import TagModel

_ROWS_AT_A_TIME = 1024
"""Fixed, for a product of matrices may round otherwise for another number of rows."""


@task
def classify_images(msg: ClassifyImagesMsg) -> ClassifyImagesReturnMsg:
    """Score images by models, and sort them into the output folder.

    Raises:
        MessageError: outputs lie among the images or the other way round, would replace a file of somebody else, or
            are links that cannot be made.
        ModelFileError: there is no model, or one is damaged or unsafe.
        ExtractorMismatchError: a model, or known vectors, are of another extractor.
        CollectionError: there is no image, or none of them could be scored.
        SpacerError: errors of the storage.
    """
    start = time.perf_counter()
    _check(msg)
    models = read_tag_models(msg.models_loc, msg.tags, msg.model_types)
    with ExitStack() as resources:
        source = resources.enter_context(open_tag_source(msg.images_loc, False, msg.exclude))
        vectors = resources.enter_context(_vector_source(msg, models))
        paths = [image.path for image in source.images]
        encoded = vectors.encode(paths, lambda index: source.read(source.images[index]), msg.images_loc.is_remote)
        failed = sorted(
            [
                *source.unreadable,
                *(Unreadable.of(paths[index], reason) for index, reason in encoded.reasons.items()),
            ],
            key=lambda one: (one.name, one.reason),
        )
        keys = [(path, content, ()) for path, content in zip(paths, encoded.contents, strict=True) if content]
        if not keys:
            raise CollectionError(_reason_for_nothing(source, failed))
        images = _scored(models, vectors.known, keys, msg.bins)
        _write(msg, source, images, vectors, keys, failed)
        return _answer(msg, source, images, encoded.n_encoded, failed, time.perf_counter() - start)


def _check(msg: ClassifyImagesMsg) -> None:
    """Refuse what cannot be done, before the work."""
    check_output(msg.output_loc, msg.sink, msg.images_loc)
    check_endings([msg.failures_loc] if msg.failures_loc else [])


def _vector_source(msg: ClassifyImagesMsg, models: Sequence[TagModel]) -> VectorSource:
    table = original = None
    if msg.embeddings_loc is not None:
        with open_file(msg.embeddings_loc) as file:
            table = read_embeddings_table(file, msg.embeddings_loc.display_name)
    if (loc := msg.metadata_json_loc) is not None:
        original = read_original_json(read_bytes(loc), loc.display_name)
    return VectorSource(msg.extractor, table, original, models)


def _scored(
    models: Sequence[TagModel], known: KnownImages, keys: Sequence[tuple[str, str, tuple[str, ...]]], n_bins: int
) -> ScoredImages:
    scorer = TagScorer(models)
    records: list[ImageRecord] = []
    scores = np.empty((len(keys), len(models)))
    for begin in range(0, len(keys), _ROWS_AT_A_TIME):
        some, vectors = known.take(keys[begin : begin + _ROWS_AT_A_TIME])
        records += some
        scores[begin : begin + len(some)] = scorer(vectors)
    scored_by = [ScoredBy(model.model_type, model.tag, model.threshold, model.review_threshold) for model in models]
    return ScoredImages(records, scored_by, scores, n_bins)


def _write(
    msg: ClassifyImagesMsg,
    source: TagSource,
    images: ScoredImages,
    vectors: VectorSource,
    keys: Sequence[tuple[str, str, tuple[str, ...]]],
    failed: Sequence[Unreadable],
) -> None:
    if msg.new_embeddings_loc is not None:
        _write_embeddings(msg.new_embeddings_loc, vectors, keys)
    if msg.database_loc is not None:
        archives = [FoundArchive(found.path, found.n_files) for found in source.archives]
        if archives:
            write_database(msg.database_loc, STAGE_4, images.archive_rows(archives))
        else:
            write_database(msg.database_loc, STAGE_3, images.rows())
    if msg.failures_loc is not None:
        write_failures(msg.failures_loc, failed)
    write_output(msg.output_loc, images, _files(msg, source), source.name, msg.sink, msg.sidecar)


def _write_embeddings(
    loc: DataLocation, vectors: VectorSource, keys: Sequence[tuple[str, str, tuple[str, ...]]]
) -> None:
    with temporary_file(loc) as path:
        with (
            path.open("wb") as file,
            embeddings_writer(file, vectors.encoder_id, vectors.known.dimension) as append,
        ):
            for begin in range(0, len(keys), _ROWS_AT_A_TIME):
                append(*vectors.known.take(keys[begin : begin + _ROWS_AT_A_TIME]))
        write_file(loc, path, consume=True)


def _files(msg: ClassifyImagesMsg, source: TagSource) -> ImageFiles:
    image_of = {image.path: image for image in source.images}
    is_local = msg.images_loc.storage_type == "filesystem"
    archives = tuple(f"{found.path}/" for found in source.archives)

    def local_path(path: str) -> str | None:
        return path if is_local and not path.startswith(archives) else None

    return ImageFiles(lambda path: source.read(image_of[path]), local_path)


def _reason_for_nothing(source: TagSource, failed: Sequence[Unreadable]) -> str:
    if not failed:
        return f"There is no image in '{source.name}'."
    return none_of(failed, f"file in '{source.name}'", "be scored")


def _answer(
    msg: ClassifyImagesMsg,
    source: TagSource,
    images: ScoredImages,
    n_encoded: int,
    failed: Sequence[Unreadable],
    runtime: float,
) -> ClassifyImagesReturnMsg:
    given = images.decisions == GIVEN
    asked = (images.decisions == REVIEW).any(axis=1)
    tags = sorted({model.tag for model in images.models})
    columns = {tag: [at for at, model in enumerate(images.models) if model.tag == tag] for tag in tags}
    return ClassifyImagesReturnMsg(
        n_images=len(images.records),
        n_models=len(images.models),
        n_encoded=n_encoded,
        tags={tag: int(given[:, at].any(axis=1).sum()) for tag, at in columns.items()},
        n_untagged=int((~given.any(axis=1)).sum()),
        n_review=int(asked.sum()),
        n_failed=len(failed),
        failed=list(failed[:MOST_ANSWERED]),
        unused_patterns=source.unmatched,
        runtime=runtime,
    )

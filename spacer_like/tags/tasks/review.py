"""The task that chooses images to ask a person about."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from spacer_like.cores import thread_count
from spacer_like.embeddings.embeddings_table import read_embeddings_table
from spacer_like.exceptions import CollectionError, MessageError, SpacerInputError
from spacer_like.overwriting import task
from spacer_like.review.pictures import as_jpeg, picture
from spacer_like.storage import open_file, read_bytes, write_bytes
from spacer_like.storage.base import outcomes
from spacer_like.tables.corrections import read_corrections
from spacer_like.tags.labelled_images import labelled_images
from spacer_like.tags.messages import Suggestion, SuggestReviewMsg, SuggestReviewReturnMsg
from spacer_like.tags.model_folder import check_models_encoder, read_tag_models
from spacer_like.tags.review_page import Asked, review_page
from spacer_like.tags.source import open_tag_source
from spacer_like.tags.suggestions import suggested, suggestions_sheet, suggestions_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spacer_like.location import DataLocation


@task
def suggest_review(msg: SuggestReviewMsg) -> SuggestReviewReturnMsg:
    """Choose the images about which a person's yes or no teaches a tag most, and draw them.

    Raises:
        MessageError: pictures are asked for, and not where the images are.
        ModelFileError: there is no model, or one is damaged.
        ExtractorMismatchError: a model was trained with another encoder.
        CollectionError: none of the images to draw is where they are said to be.
        TableError: a malformed table or file of corrections.
    """
    start = time.perf_counter()
    _check(msg)
    models = read_tag_models(msg.models_loc, msg.tags, [msg.model_type])
    with open_file(msg.embeddings_loc) as file:
        table = read_embeddings_table(file, msg.embeddings_loc.display_name)
    check_models_encoder(models, table.encoder_id)
    images = labelled_images(table)
    if msg.corrections_loc is not None:
        images.correct(read_corrections(read_bytes(msg.corrections_loc), msg.corrections_loc.display_name))
    ids = {record.path: record.id for record in table.records}
    asked = suggested(images, ids, models, (msg.n_uncertain, msg.n_likely))
    pictures: dict[str, NDArray[np.uint8]] = {}
    if msg.images_loc is not None and (msg.page_loc is not None or msg.contact_sheet_loc is not None):
        pictures = _pictures(msg.images_loc, asked)
    _write(msg, asked, pictures)
    return SuggestReviewReturnMsg(
        suggestions=[Suggestion(**one._asdict()) for one in asked],
        n_without_picture=len({one.path for one in asked} - pictures.keys()) if msg.images_loc is not None else 0,
        runtime=time.perf_counter() - start,
    )


def _check(msg: SuggestReviewMsg) -> None:
    for name in ("page_loc", "contact_sheet_loc"):
        if getattr(msg, name) is not None and msg.images_loc is None:
            raise MessageError(f"{name} needs images_loc, where the images are that are drawn.")
    if msg.suggestions_loc is not None:
        from spacer_like.tables.writing import check_endings

        check_endings([msg.suggestions_loc])


def _pictures(images_loc: DataLocation, asked: Sequence[Asked]) -> dict[str, NDArray[np.uint8]]:
    """The pictures of the images by their paths, of those that can be decoded."""
    wanted = {one.path for one in asked}
    with open_tag_source(images_loc, tagged=False) as source:
        there = [image for image in source.images if image.path in wanted]
        if wanted and not there:
            raise CollectionError(
                f"None of the images to ask about is in '{source.name}', such as '{min(wanted)}': give images_loc as "
                "it was given to process_images."
            )
        drawn = outcomes(lambda image: _picture(source.read(image), image.path), there, thread_count())
        return {image.path: made for image, made in drawn if not isinstance(made, Exception) and made is not None}


def _picture(data: bytes, name: str) -> NDArray[np.uint8] | None:
    try:
        return picture(data, name)
    except SpacerInputError:
        return None


def _write(msg: SuggestReviewMsg, asked: Sequence[Asked], pictures: dict[str, NDArray[np.uint8]]) -> None:
    if msg.suggestions_loc is not None:
        from spacer_like.tables.writing import write_tables

        write_tables([(suggestions_table(asked), msg.suggestions_loc)])
    if msg.contact_sheet_loc is not None:
        suggestions_sheet(asked, pictures, msg.contact_sheet_loc)
    if msg.page_loc is not None:
        jpegs = {path: as_jpeg(pixels) for path, pixels in pictures.items()}
        write_bytes(msg.page_loc, review_page(asked, jpegs))

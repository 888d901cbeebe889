"""Tables of embeddings of images, in parts by an engine."""

from __future__ import annotations

import logging

from spacer_like.embeddings import extractor_encoder
from spacer_like.embeddings.embeddings_table import EmbeddingsFile
from spacer_like.engines.base import Engine, Serial
from spacer_like.exceptions import SpacerError
from spacer_like.location import DataLocation
from spacer_like.messages import ProcessImagesMsg, ProcessImagesReturnMsg, TaskOutcome, digest_of
from spacer_like.overwriting import check_message
from spacer_like.progress import report
from spacer_like.storage import exists, open_file
from spacer_like.tags.source import open_tag_source
from spacer_like.tags.tasks.part_files import part_location

logger = logging.getLogger(__name__)

IMAGES_OF_A_PART = 250
"""At most; their network takes longer than a process that begins."""


def process_in_parts(msg: ProcessImagesMsg, engine: Engine, images_of_a_part: int = IMAGES_OF_A_PART) -> TaskOutcome:
    """Do what `process_images` does, the same bytes included, with the images divided among an engine's workers.

    Each part is a table beside the one that is wanted, as an interrupted run leaves them. The last request joins them:
    it reads every image and decodes those alone that no part has, such as where a part's worker was lost.

    Returns:
        The outcome of the last request, which counts what all have decoded; or that of a part, where all have failed.

    Raises:
        MessageError, CollectionError, DataNotFoundError, SpacerError: as `process_images`, before anything begins.
    """
    check_message(msg)
    if "memory" in (msg.images_loc.storage_type, msg.embeddings_loc.storage_type):
        # What lies in this process's memory is not seen by others.
        engine = Serial()
    with open_tag_source(msg.images_loc, msg.tagged, msg.exclude) as source:
        count = -(-len(source.images) // images_of_a_part)
    earlier = msg.previous_loc or _earlier(msg)
    parts = [_part(msg, index, count, earlier) for index in range(count)] if count > 1 else []
    n_encoded, failures = 0, []
    for ended, (index, outcome) in enumerate(engine.outcomes(parts), 1):
        if isinstance(outcome.result, ProcessImagesReturnMsg):
            n_encoded += outcome.result.n_encoded
        else:
            failures.append(outcome)
            logger.warning("Part %d of %d is left to the last request: %s", index, count, outcome.error_message)
        report(msg.task, ended, count)
    if parts and len(failures) == count:
        return failures[0]
    ((_, last),) = engine.outcomes([msg])
    if isinstance(last.result, ProcessImagesReturnMsg):
        n_encoded = min(last.result.n_images, n_encoded + last.result.n_encoded)
        counted = {"n_encoded": n_encoded, "n_reused": last.result.n_images - n_encoded}
        return last.model_copy(update={"result": last.result.model_copy(update=counted)})
    return last


def _part(msg: ProcessImagesMsg, index: int, count: int, earlier: DataLocation | None) -> ProcessImagesMsg:
    return ProcessImagesMsg(
        images_loc=msg.images_loc,
        embeddings_loc=part_location(msg.embeddings_loc, digest_of(msg)[:16], index),
        extractor=msg.extractor,
        tagged=msg.tagged,
        exclude=msg.exclude,
        previous_loc=earlier,
        part=[index, count],
    )


def _earlier(msg: ProcessImagesMsg) -> DataLocation | None:
    """The table that will be replaced, where its vectors can be used again."""
    try:
        if not exists(msg.embeddings_loc):
            return None
        encoder_id = extractor_encoder(msg.extractor, whole_images=True).encoder_id
        with open_file(msg.embeddings_loc) as file:
            is_ours = EmbeddingsFile(file, msg.embeddings_loc.display_name).encoder_id == encoder_id
    except SpacerError:
        # Which the last request says, or makes anew.
        return None
    return msg.embeddings_loc if is_ours else None

"""Images about which a person's yes or no teaches tags most, and how they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spacer_like.embeddings.embeddings_table import SPECIAL_TAGS
from spacer_like.learning.review import suggest_review
from spacer_like.tags.labelled_images import LabelledImages
from spacer_like.tags.review_page import Asked
from spacer_like.tags.tag_model import TagModel, tag_scores

if TYPE_CHECKING:
    import pyarrow as pa

    from spacer_like.drawing.figures import Destination


def suggested(
    images: LabelledImages, ids: Mapping[str, str], models: Sequence[TagModel], counts: tuple[int, int]
) -> list[Asked]:
    """The images to ask about for each model's tag: the most uncertain ones, then the most likely ones.

    Not asked about are images that have the tag, those that people answered about, and those of ``other-training`` and
    ``other-validation``. No two for a tag are nearly the same.

    Args:
        ids: of the images by their paths.
        counts: how many uncertain and how many likely ones of each tag.
    """
    scores = tag_scores(models, images.vectors)
    is_special = np.logical_or.reduce([images.has(tag) for tag in SPECIAL_TAGS])
    found: list[Asked] = []
    for column, model in enumerate(models):
        is_known = is_special | images.has(model.tag)
        for answer in (True, False):
            is_known[images.answered(model.tag, answer)] = True
        threshold = model.review_threshold if model.threshold is None else model.threshold
        review = suggest_review(scores[:, column], threshold, is_known, counts, images.vectors)
        for kind, rows in (("uncertain", review.uncertain), ("likely", review.likely)):
            for row in rows:
                path = images.paths[row]
                found.append(Asked(model.tag, ids[path], path, kind, float(scores[row, column])))
    return found


def suggestions_table(asked: Sequence[Asked]) -> pa.Table:
    """The table of suggestions: tag, id, path, kind, score."""
    import pyarrow as pa

    names = Asked._fields
    kinds = [pa.string()] * (len(names) - 1) + [pa.float64()]
    columns = [[getattr(one, name) for one in asked] for name in names]
    return pa.table(dict(zip(names, columns, strict=True)), pa.schema(list(zip(names, kinds, strict=True))))


def suggestions_sheet(asked: Sequence[Asked], pictures: Mapping[str, NDArray[np.uint8]], path: Destination) -> None:
    """Draw the images to ask about, a section for each tag; errors as `drawing.contact_sheet.contact_sheet`."""
    from spacer_like.drawing.contact_sheet import SheetImage, SheetSection, contact_sheet

    sections: dict[str, list[SheetImage]] = {}
    for one in asked:
        name = one.path.rpartition("/")[2]
        sections.setdefault(one.tag, []).append(SheetImage(pictures.get(one.path), name, f"{one.kind} {one.score:.3f}"))
    contact_sheet(
        [SheetSection(f"{tag}?", images) for tag, images in sections.items()],
        path,
        headline="Images to ask a person about",
        detail="below each: its name, why it is asked about, and its score" if asked else "There is none.",
    )

"""The task that chooses what to label next."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spacer_like.cores import thread_count
from spacer_like.exceptions import DataLimitError, DataNotFoundError, FeatureFileError, MessageError, SpacerInputError
from spacer_like.message_base import as_text
from spacer_like.overwriting import task
from spacer_like.points.feature_folder import feature_files, read_features
from spacer_like.points.messages import (
    SuggestedLabel,
    SuggestedPoint,
    SuggestLabelsMsg,
    SuggestLabelsReturnMsg,
)
from spacer_like.points.suggestions import (
    Chosen,
    Gathering,
    RowCol,
    Suggested,
    best_labels,
    page_items,
    suggestions_table,
)
from spacer_like.storage import read_bytes, write_bytes
from spacer_like.storage.base import outcomes

if TYPE_CHECKING:
    from spacer_like.images.files import Files
    from spacer_like.points.messages.suggest import By
    from spacer_like.points.point_table import PointTable

MOST_ANSWERED = MOST_ON_PAGE = 1000

Pictures = dict[RowCol, tuple[bytes, bytes]]


@task
def suggest_labels(msg: SuggestLabelsMsg) -> SuggestLabelsReturnMsg:
    """Choose the points, or the images, whose labels teach a classifier most.

    Raises:
        MessageError: uncertainty without a classifier, or a page without images.
        DataNotFoundError: the folder holds no feature files.
        ExtractorMismatchError: the classifier is of another extractor than the features.
        FeatureFileError: a damaged feature file, or one without positions.
        DataLimitError: more points than a page can show.
        SpacerInputError: a malformed table of labels; a name that is no text; none of the images of the page is there.
    """
    from spacer_like.learning.model_files import load_classifier

    start = time.perf_counter()
    by = _check(msg)
    files = feature_files(msg.features_loc)
    if not files:
        raise DataNotFoundError(f"There is no feature file in {msg.features_loc.display_name}: extract features first.")
    if odd := [name for name in files if as_text(name) != name]:
        raise SpacerInputError(f"The name of the feature file '{as_text(odd[0])}' is no text in UTF-8: rename it.")
    table = _table(msg)
    classifier = None if msg.classifier_loc is None else load_classifier(msg.classifier_loc)
    labelled = _labelled(files, table)
    gathering = _gathered(msg, by, classifier, sorted(files.items()), labelled)
    suggested = _described(msg, classifier, gathering.chosen(), sorted(files.items()))
    unseen = _write(msg, suggested, classifier, table)
    return SuggestLabelsReturnMsg(
        suggestions=[
            SuggestedPoint(
                image=one.image,
                row=one.row,
                column=one.column,
                labels=[SuggestedLabel(label=label, probability=share) for label, share in one.labels],
                reason=one.reason,
            )
            for one in suggested[:MOST_ANSWERED]
        ],
        n_suggested=len(suggested),
        n_images=len({one.image for one in suggested}),
        n_candidates=gathering.n_candidates,
        n_labelled=gathering.n_labelled,
        n_without_features=sum(map(len, labelled.values())) - gathering.n_labelled,
        by=by,
        unseen=unseen,
        runtime=time.perf_counter() - start,
    )


def _check(msg: SuggestLabelsMsg) -> By:
    """What counts, of a message that can be answered."""
    if msg.classifier_loc is None and msg.by == "uncertainty":
        raise MessageError("Without classifier_loc nothing is uncertain: give a classifier, or choose by diversity.")
    if msg.page_loc is not None and msg.images_loc is None:
        raise MessageError("page_loc needs images_loc, where the images are that the page shows.")
    if msg.page_loc is not None and msg.unit == "points" and msg.count > MOST_ON_PAGE:
        raise MessageError(f"A page asks about {MOST_ON_PAGE:,} points at most: lower count, or leave page_loc out.")
    if msg.suggestions_loc is not None:
        from spacer_like.tables.writing import check_endings

        check_endings([msg.suggestions_loc])
    return "diversity" if msg.classifier_loc is None else msg.by


def _table(msg: SuggestLabelsMsg) -> PointTable | None:
    from spacer_like.points.point_table import read_points

    loc = msg.labels_loc
    return None if loc is None else read_points(read_bytes(loc), loc.display_name)


def _labelled(files: Iterable[str], table: PointTable | None) -> dict[str, set[RowCol]]:
    """The positions of a table that have a label, by the image as the feature files call it, or else the table."""
    from spacer_like.images.names import ImageNames

    labelled: dict[str, set[RowCol]] = defaultdict(set)
    names = ImageNames(files)
    for image, points in table.images.items() if table is not None else ():
        labelled[names.find(image) or image] |= {(row, col) for row, col, label in points if label is not None}
    return labelled


def _gathered(
    msg: SuggestLabelsMsg,
    by: By,
    classifier: Any,
    files: Sequence[tuple[str, str]],
    labelled: Mapping[str, Collection[RowCol]],
) -> Gathering:
    from spacer_like.learning.model_files import check_same_extractor

    gathering = Gathering(msg, by, classifier)
    length = None
    read = read_features(msg.features_loc, [path for _, path in files])
    for number, ((name, path), features) in enumerate(zip(files, read, strict=True)):
        if msg.classifier_loc is not None:
            check_same_extractor(classifier, features, msg.classifier_loc.display_name)
        length = length or features.feature_dim
        if features.feature_dim != length:
            raise FeatureFileError(
                f"{path}: The feature vectors of this file and of those before it differ in length: they are of "
                "different extractors."
            )
        gathering.add(number, features, labelled.get(name, ()))
    return gathering


def _described(
    msg: SuggestLabelsMsg, classifier: Any, chosen: Sequence[Chosen], files: Sequence[tuple[str, str]]
) -> list[Suggested]:
    """The chosen points with their positions and, where there is a classifier, their labels."""
    wanted: dict[int, list[int]] = defaultdict(list)
    for one in chosen:
        wanted[one.image] += one.points
    images = sorted(wanted)
    known: dict[tuple[int, int], tuple[RowCol, list[tuple[str, float]]]] = {}
    for image, features in zip(
        images, read_features(msg.features_loc, [files[image][1] for image in images]), strict=True
    ):
        points, rowcols = wanted[image], features.rowcols
        labels: list[list[tuple[str, float]]] = [[]] * len(points)
        if classifier is not None:
            labels = best_labels(classifier.predict_proba(features.features[points]), classifier.classes_.tolist())
        for point, found in zip(points, labels, strict=True):
            known[image, point] = rowcols[point], found
    return [
        Suggested(files[one.image][0], *rowcol, labels, one.reason)
        for one in chosen
        for rowcol, labels in (known[one.image, point] for point in one.points)
    ]


def _write(
    msg: SuggestLabelsMsg, suggested: Sequence[Suggested], classifier: Any, table: PointTable | None
) -> list[str]:
    """Write the list and the page. Returns the images that are not on it."""
    unseen: list[str] = []
    page = None
    if msg.page_loc is not None and msg.images_loc is not None:
        from spacer_like.review.labels import label_page

        if len(suggested) > MOST_ON_PAGE:
            raise DataLimitError(
                f"The images have {len(suggested):,} points without a label, and a page asks about {MOST_ON_PAGE:,} at "
                "most: lower count, or leave page_loc out."
            )
        pictures = _pictures(msg, suggested)
        unseen = sorted({one.image for one in suggested} - pictures.keys())
        known = [] if classifier is None else list(map(str, classifier.classes_.tolist()))
        classes = sorted({*known, *(map(str, table.labels) if table is not None else ())})
        page = label_page(page_items(suggested, pictures), classes, "What to label next")
    if msg.suggestions_loc is not None:
        from spacer_like.tables.writing import write_tables

        write_tables([(suggestions_table(suggested), msg.suggestions_loc)])
    if page is not None and msg.page_loc is not None:
        write_bytes(msg.page_loc, page)
    return unseen


def _pictures(msg: SuggestLabelsMsg, suggested: Sequence[Suggested]) -> dict[str, Pictures]:
    """The pictures of the points, by their images, of those that are there and can be read."""
    from spacer_like.images.files import open_files
    from spacer_like.images.names import ImageNames

    points: dict[str, list[RowCol]] = defaultdict(list)
    for one in suggested:
        points[one.image].append((one.row, one.column))
    if not points or msg.images_loc is None:
        return {}
    with open_files(msg.images_loc, deep=True) as files:
        names = ImageNames(files.names)
        there = {image: found for image in points if (found := names.find(image)) is not None}
        if not there:
            raise SpacerInputError(
                f"None of the images to label is in {files.name}: '{min(points)}' is not{names.nearest(min(points))}."
            )
        drawn = outcomes(
            lambda image: _pictures_of(files, there[image], points[image], msg.patch_size), there, thread_count()
        )
        return {image: made for image, made in drawn if made and not isinstance(made, Exception)}


def _pictures_of(files: Files, name: str, points: Sequence[RowCol], size: int) -> Pictures:
    """The pictures of points of an image; none where it cannot be read, or a point lies outside."""
    from spacer_like.images.decode import open_image, to_rgb_array
    from spacer_like.review.pictures import point_pictures

    try:
        pixels = to_rgb_array(open_image(files.read(name), name))
    except SpacerInputError:
        return {}
    height, width = pixels.shape[:2]
    if any(row >= height or col >= width for row, col in points):
        return {}
    return {(row, col): point_pictures(pixels, row, col, size) for row, col in points}

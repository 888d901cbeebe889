"""Labels and features of points, of images with tags and of chips, as examples that can be judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from spacer_like.config import settings
from spacer_like.data_classes import ImageLabels
from spacer_like.data_classes.chip_names import group_of
from spacer_like.data_classes.feature_reading import READ_POINTS
from spacer_like.exceptions import CollectionError, TileError, TrainingLabelsError
from spacer_like.images.names import ImageNames
from spacer_like.learning.unseen_probabilities import Examples, check_counts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spacer_like.data_classes import LabelId
    from spacer_like.embeddings import Embeddings
    from spacer_like.embeddings.embeddings_table import EmbeddingsTable
    from spacer_like.tables.corrections import Answer
    from spacer_like.tables.label_table import LabelTable

NEAR = 0.25
"""Images whose vectors of length one are as near are nearly equal, as `train_tags` takes them."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Examples with their labels.

    Attributes:
        kind: ``points`` have one label each; images with ``tags`` and ``chips`` any number of them.
        examples: features, labels and groups.
        given: of points intp [n] their classes; else int8 [n, tags] whether an image has a tag, 1 or 0.
        classes: the classes of points, or the tags.
        names: [n] of the images or chips, as tables call them.
        ids: [n] of images with tags; else empty.
        positions: [n] row and column of points; else empty.
        n_without_features: chips that have no vector.
        answered: of the shape of `given`, whether a person has answered, so that nobody is asked again; None: never.
        n_unknown_answers: answers about what is not there.
    """

    kind: Literal["points", "tags", "chips"]
    examples: Examples
    given: NDArray[np.integer]
    classes: Sequence[str]
    names: Sequence[str]
    ids: Sequence[str] = ()
    positions: Sequence[tuple[int, int]] = ()
    n_without_features: int = 0
    answered: NDArray[np.bool_] | None = None
    n_unknown_answers: int = 0

    def corrected(self, answers: Iterable[Answer]) -> Labelled:
        """The same images or chips after people's answers about their tags, of which the later one counts."""
        row_of = {name: row for row, name in enumerate(self.names)}
        by_id, names = {one: row for row, one in enumerate(self.ids)}, ImageNames(self.names)
        column_of = {tag: column for column, tag in enumerate(self.classes)}
        given, answered, unknown = self.given.copy(), np.zeros(self.given.shape, np.bool_), 0
        for one in answers:
            row = by_id.get(one.id, row_of.get(names.find(one.path) or ""))
            if row is None or one.tag not in column_of:
                unknown += 1
                continue
            place = row, column_of[one.tag]
            given[place], answered[place] = one.is_yes, True
        examples = replace(self.examples, targets=_sparse(given))
        return replace(self, examples=examples, given=given, answered=answered, n_unknown_answers=unknown)


def labelled_points(
    labels: ImageLabels,
    names: Mapping[str, str] | None,
    sources: Mapping[str, str] | None,
    grouped: bool,
    checked: ImageLabels | None = None,
) -> Labelled:
    """Points; their features are read from the files as often as they are wanted, within TRAINING_MEMORY_BYTES.

    Raises:
        TrainingLabelsError: there are no labels, or a text and a number are written alike.
        SpacerError: of the first feature file.
    """
    from spacer_like.learning.batches import LabelledFeatures
    from spacer_like.learning.labels_split import image_name
    from spacer_like.learning.training import common_extractor

    labels, answered, n_unknown = _after_checks(labels, ImageLabels() if checked is None else checked)
    found: list[LabelId] = sorted(labels.classes_set, key=lambda label: (isinstance(label, str), label))
    classes = [str(label) for label in found]
    if len(set(classes)) < len(classes):
        raise TrainingLabelsError("The classes must be either all numbers or all texts.")
    number = {label: place for place, label in enumerate(found)}
    features = LabelledFeatures(labels, number, settings().training_memory_bytes)

    def blocks() -> Iterator[NDArray[np.float32]]:
        for batch in features.batches(READ_POINTS):
            yield batch.vectors
        common_extractor(features.extractor_ids)

    locations = list(labels)
    sizes = [len(labels[location]) for location in locations]
    called = [(names or {}).get(location.key) or image_name(location.key) for location in locations]
    group = _numbered([(sources or {}).get(location.key) or location.uri for location in locations])
    given = np.array([number[label] for location in locations for _, _, label in labels[location]], np.intp)
    return Labelled(
        "points",
        Examples(blocks, _one_each(given, len(classes)), _groups(np.repeat(group, sizes), grouped), one_label=True),
        given,
        classes,
        [name for name, size in zip(called, sizes, strict=True) for _ in range(size)],
        positions=[(row, col) for location in locations for row, col, _ in labels[location]],
        answered=answered,
        n_unknown_answers=n_unknown,
    )


def _after_checks(labels: ImageLabels, checked: ImageLabels) -> tuple[ImageLabels, NDArray[np.bool_], int]:
    """The labels after checks by a person, which points were checked, and how many checks are of other points."""
    found, answered, left = ImageLabels(), [], checked.label_count
    for location in labels:
        said = checked[location] if location in checked else []  # noqa: SIM401 (it has no get)
        answers = {(row, col): label for row, col, label in said}
        points = [(row, col, answers.get((row, col), label)) for row, col, label in labels[location]]
        found.add_image(location, points)
        answered += [(row, col) in answers for row, col, _ in points]
        left -= len({(row, col) for row, col, _ in points} & answers.keys())
    found.filesystem_cache, found.file_versions = labels.filesystem_cache, labels.file_versions
    return found, np.array(answered, np.bool_), max(left, 0)


def labelled_images(table: EmbeddingsTable, grouped: bool) -> Labelled:
    """Images with tags, one for each picture; those without any tag are left out: nothing is known of them.

    Raises:
        TrainingLabelsError: no image has a tag.
    """
    from spacer_like.embeddings import duplicate_groups
    from spacer_like.embeddings.embeddings_table import SPECIAL_TAGS

    tags_of: dict[int, set[str]] = {}
    for row, first in enumerate(table.first_of_picture):
        tags_of.setdefault(first, set()).update(table.records[row].tags)
    rows = np.array([row for row, tags in tags_of.items() if tags], np.intp)
    tags = sorted({tag for found in tags_of.values() for tag in found} - {*SPECIAL_TAGS})
    if not tags:
        raise TrainingLabelsError(f"No image of '{table.name}' has a tag: there is nothing to judge.")
    check_counts(len(rows), len(tags))
    place = {tag: column for column, tag in enumerate(tags)}
    given = np.zeros((len(rows), len(tags)), np.int8)
    for at, row in enumerate(rows):
        given[at, [place[tag] for tag in tags_of[row] if tag in place]] = 1
    vectors = table.vectors[rows]
    groups = duplicate_groups(vectors, NEAR, table.name) if grouped else np.arange(len(rows))
    records = [table.records[row] for row in rows]
    return Labelled(
        "tags",
        Examples(lambda: [vectors], _sparse(given), groups, one_label=False),
        given,
        tags,
        [record.path for record in records],
        ids=[record.id for record in records],
    )


def labelled_chips(table: LabelTable, embeddings: Embeddings, grouped: bool) -> Labelled:
    """Chips of a table that have a vector; the vectors are read from their file as they are wanted.

    Raises:
        CollectionError: none of them has one.
    """
    from spacer_like.embeddings.search import as_single

    row_of = {name: row for row, name in enumerate(embeddings.names)}
    there = np.array([name in row_of for name in table.names], bool)
    if not there.any():
        first = f", such as '{table.names[0]}'," if table.names else ""
        raise CollectionError(f"None of the table's {len(there)} chips{first} has a vector in '{embeddings.source}'.")
    names = [name for name in table.names if name in row_of]
    rows = np.array([row_of[name] for name in names], np.intp)
    given = table.targets[there].astype(np.int8)

    def blocks() -> Iterator[NDArray[np.float32]]:
        for begin in range(0, len(rows), READ_POINTS):
            yield as_single(embeddings.vectors[rows[begin : begin + READ_POINTS]])

    groups = _groups(_numbered([_neighbourhood(name) for name in names]), grouped)
    return Labelled(
        "chips",
        Examples(blocks, _sparse(given), groups, one_label=False),
        given,
        table.labels,
        names,
        n_without_features=int((~there).sum()),
    )


def _neighbourhood(name: str) -> str:
    """The group of a chip, or where its name is of no grid, its own."""
    try:
        return group_of(name)
    except TileError:
        return name


def _numbered(texts: Sequence[str]) -> NDArray[np.int64]:
    return np.asarray(np.unique(np.array(texts), return_inverse=True)[1], np.int64)


def _groups(groups: NDArray[np.integer], grouped: bool) -> NDArray[np.integer]:
    return groups if grouped else np.arange(len(groups))


def _one_each(given: NDArray[np.intp], count: int) -> csr_array:
    rows = np.arange(len(given))
    return csr_array((np.ones(len(given), np.bool_), (rows, given)), shape=(len(given), count))


def _sparse(given: NDArray[np.integer]) -> csr_array:
    return csr_array(given == 1)

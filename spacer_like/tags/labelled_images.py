"""Images to learn tags from: one for each picture, with the tags of all its files and people's corrections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spacer_like.embeddings.embeddings_table import SPECIAL_TAGS, EmbeddingsTable
from spacer_like.tables.corrections import Answer


@dataclass
class LabelledImages:
    """Images without the copies of their pixels.

    Attributes:
        encoder_id: of what made the vectors.
        hashes: [n] of the decoded pixels.
        paths: [n] of the first file of each.
        vectors: float32 [n, d].
        rows_of_tag: the images of each tag, in the order of its first appearance, and of the images in the table.
        row_of_name: the image of each file, by its id, its path, and its pixels' hash.
        answers: what people say of (image, tag), which has precedence over the tags.
        unknown: the names of images in answers that are not there.
        n_contradicted: answers that a later one about the same image and tag contradicts.
        only_answered: images of which nothing is known but the answers about them.
    """

    encoder_id: str
    hashes: list[str]
    paths: list[str]
    vectors: NDArray[np.float32]
    rows_of_tag: dict[str, list[int]]
    row_of_name: dict[str, int]
    answers: dict[tuple[int, str], bool] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    n_contradicted: int = 0
    only_answered: set[int] = field(default_factory=set)
    _names_by_file: dict[str, list[tuple[str, int]]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.hashes)

    @property
    def tags(self) -> list[str]:
        """The tags that may get a model, in alphabetical order; those that people said no to of every image too."""
        asked_about = {tag for _, tag in self.answers}
        return sorted((self.rows_of_tag.keys() | asked_about) - set(SPECIAL_TAGS))

    def has(self, tag: str) -> NDArray[np.bool_]:
        """Whether each image has a tag."""
        found = np.zeros(len(self), bool)
        found[self.rows_of_tag.get(tag, [])] = True
        return found

    def answered(self, tag: str, answer: bool) -> NDArray[np.intp]:
        """The images of which people say yes (true) or no (false) to a tag."""
        rows = (row for (row, about), said in self.answers.items() if about == tag and said is answer)
        return np.array(sorted(rows), np.intp)

    def correct(self, answers: Iterable[Answer]) -> None:
        """Let people's answers take precedence over the tags; of two about the same, the later one counts."""
        for answer in answers:
            row = self.row_of(answer)
            if row is None:
                self.unknown.append(answer.path or answer.id)
                continue
            self.n_contradicted += self.answers.get((row, answer.tag), answer.is_yes) is not answer.is_yes
            self.answers[row, answer.tag] = answer.is_yes
        for (row, tag), is_yes in self.answers.items():
            rows = self.rows_of_tag.setdefault(tag, []) if is_yes else self.rows_of_tag.get(tag, [])
            if is_yes and row not in rows:
                rows.append(row)
            elif not is_yes and row in rows:
                rows.remove(row)
        self.rows_of_tag = {tag: rows for tag, rows in self.rows_of_tag.items() if rows}

    def row_of(self, answer: Answer) -> int | None:
        """The image that an answer is about; None: it is not there."""
        row = self.row_of_name.get(answer.id, self.row_of_name.get(answer.path))
        return self._row_by_ending(answer.path) if row is None else row

    def _row_by_ending(self, path: str) -> int | None:
        """The only image whose path ends with the parts of a path, as a person writes it; None: there is not one."""
        if not self._names_by_file:
            for name, row in self.row_of_name.items():
                self._names_by_file.setdefault(name.rpartition("/")[2], []).append((f"/{name}", row))
        of_file = self._names_by_file.get(path.rpartition("/")[2], []) if path else []
        rows = {row for name, row in of_file if name.endswith(f"/{path}")}
        return rows.pop() if len(rows) == 1 else None


def labelled_images(table: EmbeddingsTable, hashes_of_tag: Mapping[str, Sequence[str]] | None = None) -> LabelledImages:
    """The images of a table, those with the same picture as one.

    Args:
        hashes_of_tag: the images of each tag in an order of their own; None: in the order of the table.
    """
    found = LabelledImages(table.encoder_id, [], [], np.zeros((0, table.dimension), np.float32), {}, {})
    kept: list[int] = []
    rows_of_tag: dict[str, dict[int, None]] = {}
    image_of_row: dict[int, int] = {}
    for row, (record, first) in enumerate(zip(table.records, table.first_of_picture, strict=True)):
        image = image_of_row.setdefault(first, len(kept))
        if image == len(kept):
            kept.append(row)
            found.hashes.append(record.hash_id)
            found.paths.append(record.path)
        for name in (record.id, record.path):
            found.row_of_name[name] = image
        found.row_of_name.setdefault(record.hash_id, image)
        for tag in record.tags:
            rows_of_tag.setdefault(tag, {})[image] = None
    found.rows_of_tag = {tag: list(rows) for tag, rows in rows_of_tag.items()}
    found.vectors = table.vectors[kept]
    if hashes_of_tag is not None:
        found.rows_of_tag = _in_order(found, hashes_of_tag)
    return found


def with_reviewed(
    images: LabelledImages, reviewed: Iterable[EmbeddingsTable], answers: Sequence[Answer]
) -> LabelledImages:
    """The same with those images of further tables that people answered about, and that are not there yet.

    Nothing is known of them but the answers: tags that nobody was asked about are neither theirs nor not.

    Args:
        reviewed: of the same encoder; their tags do not count.
    """
    asked = [answer for answer in answers if images.row_of(answer) is None]
    for table in reviewed:
        others = labelled_images(table)
        rows = sorted({row for answer in asked if (row := others.row_of(answer)) is not None})
        begin = len(images)
        images.hashes += [others.hashes[row] for row in rows]
        images.paths += [others.paths[row] for row in rows]
        images.vectors = np.concatenate([images.vectors, others.vectors[rows]])
        images.only_answered.update(range(begin, len(images)))
        place = {row: begin + number for number, row in enumerate(rows)}
        for answer in asked:
            if (row := others.row_of(answer)) is not None:
                for name in filter(None, (answer.id, answer.path)):
                    images.row_of_name.setdefault(name, place[row])
    return images


def _in_order(images: LabelledImages, hashes_of_tag: Mapping[str, Sequence[str]]) -> dict[str, list[int]]:
    found = {}
    for tag, hashes in hashes_of_tag.items():
        own = images.rows_of_tag.get(tag, [])
        place = {hash_id: number for number, hash_id in reversed(list(enumerate(hashes)))}
        if own:
            found[tag] = sorted(own, key=lambda row: (place.get(images.hashes[row], len(place)), row))
    return found | {tag: rows for tag, rows in images.rows_of_tag.items() if tag not in found}

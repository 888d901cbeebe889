"""Images with their scores by models of tags, and the tables and JSON that tell them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from posixpath import splitext
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacer_like.embeddings.embeddings_table import ImageRecord
from spacer_like.tags.score_bins import bin_values, nearest_bins
from spacer_like.tags.sqlite_tables import Table

if TYPE_CHECKING:
    import pyarrow as pa

NOT_GIVEN, REVIEW, GIVEN = 0, 1, 2
DECISIONS = ("none", "review", "given")
"""What is made of a score: nothing, a question to a person, or a tag."""
_OF_A_SCORE = ("model_type TEXT", "tag_name TEXT", "tag_prob REAL")
STAGE_3 = Table(
    "stage3", ("file_name TEXT NOT NULL", "file_path TEXT NOT NULL", "type TEXT", "hash_id TEXT", *_OF_A_SCORE)
)
STAGE_4 = Table(
    "stage4",
    (
        "file_name TEXT NOT NULL",
        "file_path TEXT",
        "archive_path TEXT",
        "type TEXT",
        "n_img_content INTEGER",
        "hash_id TEXT",
        *_OF_A_SCORE,
    ),
)
_ROWS_AT_A_TIME = 2**16


class ScoredBy(NamedTuple):
    """What is needed of a model besides its scores.

    Fields:
        threshold: score from which the tag is given; None: it never is.
        review_threshold: score from which a person is asked.
    """

    model_type: str
    tag: str
    threshold: float | None
    review_threshold: float


class FoundArchive(NamedTuple):
    """An archive that images are from.

    Fields:
        path: as images' paths begin.
        n_files: members that are no folders, whether images or not.
    """

    path: str
    n_files: int


@dataclass(frozen=True, eq=False)
class ScoredImages:
    """Images and their scores.

    Attributes:
        records: [n], in the order of their paths.
        models: [m].
        scores: float64 [n, m]: probabilities of the tags.
        n_bins: number of bins that scores are sorted into.
    """

    records: Sequence[ImageRecord]
    models: Sequence[ScoredBy]
    scores: NDArray[np.float64]
    n_bins: int = 10

    @cached_property
    def decisions(self) -> NDArray[np.int8]:
        """What is made of each score, [n, m]: `NOT_GIVEN`, `REVIEW` or `GIVEN`."""
        given = np.array([np.inf if model.threshold is None else model.threshold for model in self.models])
        review = np.array([model.review_threshold for model in self.models])
        found = np.where(self.scores >= review, REVIEW, NOT_GIVEN)
        return np.where(self.scores >= given, GIVEN, found).astype(np.int8)

    @cached_property
    def bins(self) -> NDArray[np.int64]:
        """The index of each score's bin, [n, m]."""
        return nearest_bins(self.scores, self.n_bins)

    @cached_property
    def bin_names(self) -> list[str]:
        """The names of the bins, such as ``0.1``."""
        return [str(value) for value in bin_values(self.n_bins).tolist()]

    def tags_of(self, image: int) -> list[str]:
        """The tags that an image was given by a model of any type, each once, sorted."""
        given = np.flatnonzero(self.decisions[image] == GIVEN)
        return sorted({self.models[number].tag for number in given.tolist()})

    def manifest(self, files: Sequence[Sequence[str]]) -> Iterator[pa.Table]:
        """A row for every image and model, some at a time.

        Args:
            files: [n][m]: the file that was made of an image for a model, below the output folder; empty: none.
        """
        import pyarrow as pa

        step = max(_ROWS_AT_A_TIME // max(len(self.models), 1), 1)
        for begin in range(0, len(self.records), step):
            some = range(begin, min(begin + step, len(self.records)))
            rows = slice(some.start, some.stop)
            each = [self.records[image] for image in some for _ in self.models]
            columns = {
                "id": [record.id for record in each],
                "path": [record.path for record in each],
                "hash_id": [record.hash_id for record in each],
                "model_type": [model.model_type for model in self.models] * len(some),
                "tag": [model.tag for model in self.models] * len(some),
                "score": self.scores[rows].ravel(),
                "bin": [self.bin_names[number] for number in self.bins[rows].ravel()],
                "decision": [DECISIONS[number] for number in self.decisions[rows].ravel()],
                "file": [file for image in some for file in files[image]],
            }
            yield pa.table(columns, manifest_schema())

    def json_lines(self) -> Iterator[str]:
        """``output.json`` in parts: for each pixel hash its last path and the probability by each model."""
        last = {record.hash_id: image for image, record in enumerate(self.records)}
        yield "{"
        for number, (hash_id, image) in enumerate(sorted(last.items(), key=lambda pair: pair[1])):
            record = {
                "hash_id": hash_id,
                "file_path": self.records[image].path,
                "classifiers_output": [
                    {"model_type": model.model_type, "tag_name": model.tag, "tag_prob": score}
                    for model, score in zip(self.models, self.scores[image].tolist(), strict=True)
                ],
            }
            text = json.dumps(record, indent=4).replace("\n", "\n    ")
            yield f"{',' if number else ''}\n    {json.dumps(hash_id)}: {text}"
        yield "\n}" if last else "}"

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """The rows of the database table ``stage3``: one for every image and model."""
        for record, scores in zip(self.records, self.scores.tolist(), strict=True):
            name, ending = name_and_ending(record.path)
            for model, score in zip(self.models, scores, strict=True):
                yield name, record.path, ending, record.hash_id, model.model_type, model.tag, score

    def archive_rows(self, archives: Sequence[FoundArchive]) -> Iterator[tuple[Any, ...]]:
        """The rows of the database table ``stage4``: one for every archive, then one for every image and model."""
        for archive in archives:
            name, ending = name_and_ending(archive.path)
            yield name, None, archive.path, ending, archive.n_files, None, None, None, None
        # The innermost archive is the longest path that an image's begins with.
        paths = sorted((archive.path for archive in archives), key=len, reverse=True)
        holder = {
            record.path: next((path for path in paths if record.path.startswith(f"{path}/")), None)
            for record in self.records
        }
        for name, path, ending, hash_id, *rest in self.rows():
            yield name, path, holder[path], ending, None, hash_id, *rest


def manifest_schema() -> Any:
    """The columns of the manifest."""
    import pyarrow as pa

    names = ("id", "path", "hash_id", "model_type", "tag", "score", "bin", "decision", "file")
    return pa.schema([(name, pa.float64() if name == "score" else pa.string()) for name in names])


def name_and_ending(path: str) -> tuple[str, str]:
    """The name of a file, and its ending with the dot.

    >>> name_and_ending("new.zip/a/REEF.JPG")
    ('REEF.JPG', '.JPG')
    """
    name = path.rpartition("/")[2]
    return name, splitext(name)[1]

"""The labels that look wrong among labelled examples, as rows, and their counts by given and likely label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import TrainingLabelsError
from spacer_like.learning.confident import (
    UNKNOWN,
    JudgedLabels,
    Rule,
    WrongShare,
    judge_labels,
    judge_tags,
    wrong_share,
)
from spacer_like.learning.unseen_probabilities import Unseen, unseen_probabilities

if TYPE_CHECKING:
    import pyarrow as pa

    from spacer_like.wrong_labels.labelled import Labelled

ANSWERS = ("no", "yes")
MOST_SUGGESTIONS = 5
_NUMBERS = ("likely_probability", "self_confidence", "score")


@dataclass(frozen=True, eq=False)
class Found:
    """A label that looks wrong.

    Attributes:
        row: the example.
        tag: the tag in question; None: the example has one label.
        given, likely: labels, or ``yes`` and ``no``.
        likely_probability, self_confidence, score: as `JudgedLabels` has them.
        suggestions: labels with their probabilities, the most probable first.
    """

    row: int
    tag: str | None
    given: str
    likely: str
    likely_probability: float
    self_confidence: float
    score: float
    suggestions: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True, eq=False)
class Judged:
    """What was found.

    Attributes:
        found: the labels that look wrong, the likeliest first.
        pairs: (tag, given, likely, number of such labels, estimated number), the most frequent first.
        share: of wrong labels, as estimated.
        n_judged: how many labels were judged.
        not_judged: the number of labels that were not, by class or tag, of those that have any.
    """

    found: list[Found]
    pairs: list[tuple[str | None, str, str, int, float]]
    share: WrongShare
    n_judged: int
    not_judged: dict[str, int]


def judged(labelled: Labelled, rule: Rule, folds: int, seed: int) -> Judged:
    """Judge all labels.

    Raises:
        TrainingLabelsError: no label can be judged.
        SpacerError: features that cannot be read or learnt from.
    """
    with ExitStack() as resources:
        unseen = unseen_probabilities(labelled.examples, folds, seed, resources)
        given = _judgeable(labelled, unseen)
        one_label = labelled.examples.one_label
        parts = (
            [judge_labels(unseen.probabilities, given, rule)]
            if one_label
            else judge_tags(unseen.probabilities, given, rule)
        )
        if labelled.answered is not None:
            columns = labelled.answered.reshape(len(labelled.answered), -1).T
            parts = [replace(part, wrong=part.wrong & ~asked) for part, asked in zip(parts, columns, strict=True)]
        n_judged = sum(part.n_judged for part in parts)
        if not n_judged:
            raise TrainingLabelsError(
                "No label can be judged: each class has examples in one group alone, such as one photograph. Not "
                "grouped, they are judged by others of the same group."
            )
        tags = [None] if one_label else labelled.classes
        names = labelled.classes if one_label else ANSWERS
        found, pairs = [], []
        for column, (tag, part) in enumerate(zip(tags, parts, strict=True)):
            pairs += _pairs(tag, part, names)
            for row in part.ranked().tolist():
                said = unseen.probabilities[row] if one_label else _of_tag(unseen.probabilities[row, column])
                found.append(_found(row, tag, part, said, names))
        return Judged(
            sorted(found, key=lambda one: (one.score, one.row, one.tag or "")),
            sorted(pairs, key=lambda pair: (-pair[3], -pair[4], pair[0] or "", *pair[1:3])),
            wrong_share(parts, labelled.examples.groups),
            n_judged,
            _counts_of_unknown(labelled, given),
        )


def _found(
    row: int, tag: str | None, part: JudgedLabels, probabilities: NDArray[np.floating], names: Sequence[str]
) -> Found:
    return Found(
        row,
        tag,
        names[int(part.given[row])],
        names[int(part.likely[row])],
        float(part.likely_probability[row]),
        float(part.self_confidence[row]),
        float(part.score[row]),
        _suggestions(probabilities, names),
    )


def _judgeable(labelled: Labelled, unseen: Unseen) -> NDArray[np.integer]:
    """The given labels, with `UNKNOWN` where the example's fold did not learn them."""
    if labelled.examples.one_label:
        return np.where(unseen.learnt[unseen.fold, labelled.given], labelled.given, UNKNOWN)
    return np.where(unseen.learnt[unseen.fold], labelled.given, UNKNOWN)


def _counts_of_unknown(labelled: Labelled, given: NDArray[np.integer]) -> dict[str, int]:
    if labelled.examples.one_label:
        counts = np.bincount(labelled.given[given == UNKNOWN], minlength=len(labelled.classes))
    else:
        counts = (given == UNKNOWN).sum(axis=0)
    return {name: count for name, count in zip(labelled.classes, counts.tolist(), strict=True) if count}


def _pairs(tag: str | None, part: JudgedLabels, names: Sequence[str]) -> list[tuple[str | None, str, str, int, float]]:
    k = len(names)
    wrong = np.flatnonzero(part.wrong)
    counts = np.bincount(part.given[wrong] * k + part.likely[wrong], minlength=k * k).reshape(k, k)
    estimated = np.where(np.eye(k, dtype=bool), 0, part.joint)
    places = np.argwhere((counts > 0) | (np.rint(estimated) > 0))
    return [
        (tag, names[one], names[other], int(counts[one, other]), float(estimated[one, other]))
        for one, other in places.tolist()
    ]


def _of_tag(probability: Any) -> NDArray[np.float64]:
    return np.array([1 - float(probability), float(probability)])


def _suggestions(probabilities: NDArray[np.floating], names: Sequence[str]) -> list[tuple[str, float]]:
    first = np.argsort(-probabilities, kind="stable")[:MOST_SUGGESTIONS].tolist()
    return [(names[place], float(probabilities[place])) for place in first]


def naming(labelled: Labelled, one: Found) -> dict[str, str]:
    """What names a label in tables and on the page, {column: cell}: the columns that take corrections back."""
    name = labelled.names[one.row]
    if one.tag is None:
        row, col = labelled.positions[one.row]
        return {"image": name, "row": str(row), "column": str(col)}
    image = {"id": labelled.ids[one.row], "path": name} if labelled.ids else {"path": name}
    return {**image, "tag": one.tag}


def wrong_table(labelled: Labelled, found: Sequence[Found]) -> pa.Table:
    """The table of the labels that look wrong: what names them, given, likely and three numbers."""
    import pyarrow as pa

    columns = naming(labelled, _nothing(labelled)).keys()
    names: list[Mapping[str, str]] = [naming(labelled, one) for one in found]
    table: dict[str, Any] = {}
    for column in columns:
        cells = [name[column] for name in names]
        is_number = column in ("row", "column")
        table[column] = pa.array(map(int, cells), pa.int64()) if is_number else pa.array(cells, pa.string())
    for column in ("given", "likely"):
        table[column] = pa.array([getattr(one, column) for one in found], pa.string())
    for column in _NUMBERS:
        table[column] = pa.array([getattr(one, column) for one in found], pa.float64())
    return pa.table(table)


def _nothing(labelled: Labelled) -> Found:
    """A label of the first example, for the columns alone."""
    return Found(0, None if labelled.examples.one_label else labelled.classes[0], "", "", 0.0, 0.0, 0.0)


def pairs_table(judged: Judged, tagged: bool) -> pa.Table:
    """The table of pairs: tag, where there are tags, given, likely, n_wrong and estimated."""
    import pyarrow as pa

    kinds = [("tag", pa.string()), ("given", pa.string()), ("likely", pa.string())]
    schema = pa.schema([*kinds, ("n_wrong", pa.int64()), ("estimated", pa.float64())])
    columns = [[pair[place] for pair in judged.pairs] for place in range(len(schema.names))]
    table = pa.table(dict(zip(schema.names, columns, strict=True)), schema)
    return table if tagged else table.drop_columns(["tag"])

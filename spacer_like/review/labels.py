"""The page on which a person says with the keyboard what is seen at points, or in whole images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spacer_like.review.page import answers_key, filled_page, picture_address

MOST_SUGGESTIONS = 5


@dataclass(frozen=True)
class LabelItem:
    """What a person is asked to label.

    Attributes:
        columns: what names it in the saved table, {column: cell}, such as image, row and column.
        patch: the JPEG that is shown large.
        surroundings: the JPEG that is shown beside it; None: none is.
        suggestions: (label, probability from 0 to 1), the best first; of more than five the first five count.
        given: the label that a person gave before; None: there is none.
        reason: why it is asked about, in a few words.
    """

    columns: Mapping[str, str]
    patch: bytes
    surroundings: bytes | None = None
    suggestions: Sequence[tuple[str, float]] = ()
    given: str | None = None
    reason: str = ""


def label_page(
    items: Sequence[LabelItem],
    classes: Sequence[str],
    heading: str,
    *,
    answer: str = "label",
    file_name: str = "labels.csv",
    others: bool = True,
) -> bytes:
    """The page that asks about some items, which saves the answers as CSV: their columns, then the answers'.

    Args:
        items: in the order in which they are shown; all have the same columns, and no two the same cells.
        classes: the labels that can be found by typing; further ones can be typed as well.
        heading: of the page, as plain text.
        answer: the column of the answers.
        file_name: of the saved table.
        others: whether other labels than the suggestions can be found or made.

    Raises:
        ValueError: items of different columns, or two of the same cells.
    """
    columns = list(items[0].columns) if items else []
    names = [[item.columns.get(column, "") for column in columns] for item in items]
    if any(list(item.columns) != columns for item in items):
        raise ValueError("The items of a page have different columns.")
    if len(set(map(tuple, names))) < len(items):
        raise ValueError("Two items of a page have the same cells.")
    known = [label for item in items for label, _ in item.suggestions] + [item.given for item in items if item.given]
    data = {
        "key": answers_key([[heading, answer, *columns], *names]),
        "heading": heading,
        "columns": columns,
        "answer": answer,
        "file": file_name,
        "others": others,
        "classes": list(dict.fromkeys([*classes, *known])),
        "items": [
            {
                "columns": dict(item.columns),
                "patch": picture_address(item.patch),
                "surroundings": None if item.surroundings is None else picture_address(item.surroundings),
                "suggestions": [[label, round(share, 4)] for label, share in item.suggestions[:MOST_SUGGESTIONS]],
                "given": item.given,
                "reason": item.reason,
            }
            for item in items
        ],
    }
    return filled_page(__package__, "labels", data)

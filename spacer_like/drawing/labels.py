"""Class names made fit to be drawn: of any type, any length and any characters."""

from __future__ import annotations

import unicodedata

ELLIPSIS = "…"


def plain_text(label: object) -> str:
    """One line without control or direction-changing characters, which could hide or reorder the text around them.

    >>> plain_text("Porites\\n sp.")
    'Porites sp.'
    """
    text = str(label)
    kept = "".join(" " if unicodedata.category(character).startswith(("C", "Z")) else character for character in text)
    return " ".join(kept.split()) or "(no name)"


def shorten(label: object, width: int) -> str:
    """At most `width` characters, the middle left out: names of one genus differ at their ends.

    >>> shorten("Pocillopora damicornis", 13)
    'Pocill…cornis'
    """
    text = plain_text(label)
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return text[: width - 1 - tail].rstrip() + ELLIPSIS + text[len(text) - tail :].lstrip()


def shorten_all(labels: list[object] | list[str], width: int) -> list[str]:
    """Each label shortened; those that became equal get a number, so that no two rows have one name."""
    shortened = [shorten(label, width) for label in labels]
    seen: dict[str, int] = {}
    distinct = []
    for text in shortened:
        seen[text] = seen.get(text, 0) + 1
        distinct.append(text if seen[text] == 1 else f"{text} ({seen[text]})")
    return distinct

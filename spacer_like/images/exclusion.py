"""Patterns of names of files that are left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

_TOKENS = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]/]*\]|.", re.DOTALL)


class Exclusion:
    """Names that match one of some patterns, as shells write them, or lie in a folder that matches.

    ``*`` and ``?`` stand for letters of a name, ``[a-z]`` for one of them, ``**`` for folders as well. A pattern
    without a slash is that of a file or folder at any depth, one with a slash that of a whole path.

    >>> left_out = Exclusion(["*.gif", "drafts/**/old?"])
    >>> [left_out.matches(name) for name in ("a/b.gif", "drafts/old1/x.png", "drafts/2024/old2/x.png", "old1/x.png")]
    [True, True, True, False]
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self.patterns = list(patterns)
        self._matched: set[str] = set()

    @cached_property
    def _expressions(self) -> list[tuple[str, re.Pattern[str]]]:
        return [(pattern, re.compile(_expression(pattern), re.DOTALL)) for pattern in self.patterns]

    def matches(self, name: str) -> bool:
        """Whether a name, with slashes, is left out."""
        matched = [pattern for pattern, expression in self._expressions if expression.match(name)]
        self._matched.update(matched)
        return bool(matched)

    @property
    def unmatched(self) -> list[str]:
        """The patterns that no name has matched."""
        return [pattern for pattern in self.patterns if pattern not in self._matched]


def _expression(pattern: str) -> str:
    stripped = pattern.strip("/")
    begin = "" if "/" in stripped or pattern.startswith("/") else "(?:.*/)?"
    return f"{begin}{''.join(map(_part, _TOKENS.findall(stripped)))}(?:/.*)?\\Z"


def _part(token: str) -> str:
    if token in _PARTS:
        return _PARTS[token]
    if token.startswith("[") and len(token) > 1:
        inside = token[1:-1]
        negated = "^" if inside.startswith("!") else ""
        inside = (
            inside[len(negated) :].replace("\\", "\\\\").replace("^", "\\^").replace("[", "\\[").replace("]", "\\]")
        )
        try:
            return re.compile(f"[{negated}{inside}]").pattern
        except re.error:
            # Such as letters in the wrong order: then it is the text itself.
            return re.escape(token)
    return re.escape(token)


_PARTS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}

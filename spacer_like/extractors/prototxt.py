"""Protocol-buffer messages in their text form, as Caffe's network definitions are written."""

from __future__ import annotations

import re
from typing import TypeAlias

from spacer_like.exceptions import WeightsError

Value: TypeAlias = "str | Message"

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<word>[\w.+-]+)|(?P<sign>[{}:;,])"""
)
# Network definitions go four deep.
_MAX_DEPTH = 50


class Message:
    """A message: the values of each field, in the order of the text; numbers and names are kept as text."""

    def __init__(self) -> None:
        self._values: dict[str, list[Value]] = {}

    def add(self, name: str, value: Value) -> None:
        self._values.setdefault(name, []).append(value)

    def texts(self, name: str) -> list[str]:
        """All plain values of a field."""
        return [value for value in self._values.get(name, []) if isinstance(value, str)]

    def text(self, name: str, default: str = "") -> str:
        """The last plain value of a field."""
        return next(reversed(self.texts(name)), default)

    def messages(self, name: str) -> list[Message]:
        """All messages that a field holds."""
        return [value for value in self._values.get(name, []) if isinstance(value, Message)]

    def message(self, name: str) -> Message:
        """The last message that a field holds; an empty one if there is none."""
        return next(reversed(self.messages(name)), Message())


def parse(text: str) -> Message:
    """The message that a text describes.

    Raises:
        WeightsError: no such text; the sentence names the line.

    >>> parse('layer { name: "conv1" }').message("layer").text("name")
    'conv1'
    """
    open_messages = [Message()]
    name: str | None = None
    for position, token in _tokens(text):
        if token == "{" and name is not None and len(open_messages) < _MAX_DEPTH:
            inner = Message()
            open_messages[-1].add(name, inner)
            open_messages.append(inner)
            name = None
        elif token == "}" and name is None and len(open_messages) > 1:
            open_messages.pop()
        elif token == ":" if name is not None else token in (";", ","):
            continue
        elif token not in "{}:;," and name is None:
            name = token
        elif token not in "{}:;," and name is not None:
            open_messages[-1].add(name, token.strip("\"'"))
            name = None
        else:
            raise _error(text, position)
    if len(open_messages) > 1 or name is not None:
        raise _error(text, len(text))
    return open_messages[0]


def _tokens(text: str) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _error(text, position)
        if match.lastgroup is not None:
            found.append((position, match.group()))
        position = match.end()
    return found


def _error(text: str, position: int) -> WeightsError:
    line = text.count("\n", 0, position) + 1
    return WeightsError(f"The extractor's 'definition' is no network definition of Caffe: line {line} cannot be read.")

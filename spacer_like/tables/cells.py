"""CSV files whose texts no spreadsheet runs as a formula, and which are read back exactly.

Everything in the package that writes or reads CSV comes through here or through `spacer_like.tables.files`. An
apostrophe is written before a text that begins with what begins a formula, or that begins or ends with white space,
which readers strip; apostrophes that such a text already begins with are kept and one more is added. Texts that are
plain numbers, such as ``-1.5``, stay as they are. Reading removes the one apostrophe again.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

from spacer_like.exceptions import TableError

APOSTROPHE = "'"
DELIMITERS = ",;\t"
_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_ROWS_LOOKED_AT = 20
_LINE = re.compile(r"[^\r\n]*(?:\r\n|[\r\n])|[^\r\n]+")
# The full-width forms count as well: spreadsheets of some languages take them for the others.
_FORMULA = "=+\\-@\uff1d\uff0b\uff0d\uff20"
_SPACE = "\t\n\v\f\r\x1c-\x1f \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# Both are syntax of Python's expressions and of RE2, which Arrow has.
GUARDED_PATTERN = f"^'*[{_FORMULA}{_SPACE}]|[{_SPACE}]\\z"
NUMBER_PATTERN = "^'*[+\\-]?[0-9]+(\\.[0-9]+)?([eE][+\\-]?[0-9]+)?\\z"
_GUARDED = re.compile(GUARDED_PATTERN.replace("\\z", "\\Z"))
_NUMBER = re.compile(NUMBER_PATTERN.replace("\\z", "\\Z"))


def guarded(cell: object) -> object:
    """A field as it is written.

    >>> guarded("=reef.jpg"), guarded("'=reef.jpg"), guarded("reef.jpg"), guarded("-1.5"), guarded(-1)
    ("'=reef.jpg", "''=reef.jpg", 'reef.jpg', '-1.5', -1)
    """
    return f"{APOSTROPHE}{cell}" if isinstance(cell, str) and _is_guarded(cell) else cell


def unguarded(text: str) -> str:
    """A field as it was before `guarded`.

    >>> unguarded("'=reef.jpg"), unguarded("''=reef.jpg"), unguarded("'reef.jpg"), unguarded("=reef.jpg")
    ('=reef.jpg', "'=reef.jpg", "'reef.jpg", '=reef.jpg')
    """
    return text[1:] if text.startswith(APOSTROPHE) and _is_guarded(text) else text


def stripped(text: str) -> str:
    """As `unguarded`, without the white space around what a person wrote."""
    exact = unguarded(text)
    return exact if exact != text else unguarded(text.strip())


def csv_bytes(heading: Iterable[str], rows: Iterable[Iterable[object]]) -> bytes:
    """A table as CSV in UTF-8; errors as `csv_lines`."""
    return csv_lines(chain([heading], rows))


def csv_lines(rows: Iterable[Iterable[object]]) -> bytes:
    """Rows of a table as CSV in UTF-8.

    Raises:
        TableError: a text cannot be written in UTF-8.
    """
    sink = _Lines()
    # Python before 3.13 quotes a carriage return only where lines end with one.
    writer = csv.writer(sink, lineterminator="\r\n")
    writer.writerows([guarded(cell) for cell in row] for row in rows)
    try:
        return "".join(sink.lines).encode()
    except UnicodeEncodeError as error:
        part = error.object[max(error.start - 40, 0) : error.end].encode("ascii", "backslashreplace").decode()
        raise TableError(
            f"A table cannot hold the name '{part.splitlines()[-1]}': it is no text in UTF-8. Rename the file."
        ) from None


def csv_rows(
    text: str, delimiter: str = ",", read: Callable[[str], str] = unguarded
) -> Iterator[tuple[int, list[str]]]:
    """The rows of CSV with the numbers of their last lines.

    Args:
        read: makes a cell of what stands in the file: `unguarded`, or `stripped` for what people write.

    Raises:
        csv.Error: this is no CSV; its arguments are the reason and the number of the line.
    """
    lines = csv.reader(_lines(text), delimiter=delimiter, strict=True)
    try:
        for cells in lines:
            yield lines.line_num, [read(cell) for cell in cells]
    except csv.Error as error:
        raise csv.Error(str(error), lines.line_num) from None


def decoded_table(data: bytes) -> tuple[str, str]:
    """The text of a table, and the delimiter of its fields: that of a first line ``sep=;``, else the one found.

    Args:
        data: UTF-8 with or without a byte order mark, or UTF-16 with one, as spreadsheets write it.

    Raises:
        UnicodeDecodeError: it is no such text.
    """
    encoding = next((encoding for mark, encoding in _BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode()
    end = text.find("\n")
    first = text[:end] if end >= 0 else text
    if first.lower().startswith("sep=") and len(first.rstrip("\r")) == 5:
        # The line stays, empty, so that lines keep their numbers.
        return (text[end:] if end >= 0 else "\n"), first[4]
    return text, _delimiter(text)


def _delimiter(text: str) -> str:
    """The delimiter by which the first rows have equally many fields, more than one; of two, the one found first."""
    regular = [one for one in DELIMITERS if _is_regular(text, one)]
    if regular:
        return min(regular, key=text.index)
    return max(DELIMITERS, key=text.lstrip("\r\n").partition("\n")[0].count)


def _is_regular(text: str, delimiter: str) -> bool:
    try:
        rows = csv.reader(_lines(text), delimiter=delimiter, strict=True)
        widths = {len(row) for row in islice(filter(any, rows), _ROWS_LOOKED_AT)}
    except csv.Error:
        return False
    return len(widths) == 1 and widths != {1}


def _lines(text: str) -> Iterator[str]:
    """The lines of a text with their ends; a StringIO would hold it once more, in four bytes a letter."""
    return (line[0] for line in _LINE.finditer(text))


class _Lines:
    """Lines as they come from a writer, ended by a line feed alone."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        self.lines.append(f"{line.removesuffix(chr(13) + chr(10))}\n")


def _is_guarded(text: str) -> bool:
    return _GUARDED.search(text) is not None and _NUMBER.search(text) is None

"""Files of CPCe (Coral Point Count with Excel extensions): the points of one photograph, read and written.

Lengths are in fifteenths of a pixel. The first line names the file of codes and the photograph, and the sizes of the
photograph and of its display; then come the four corners of the frame, the number of points, a line ``x,y`` for each, a
line of its number, label and note for each, and lines of headings, which may lack. Lines end with CR LF, texts are
quoted, and a quote within one is not escaped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from spacer_like.exceptions import SpacerInputError, TableError, damage_as

PARTS_OF_A_PIXEL = 15
ENDING = ".cpc"
MOST_POINTS = 1_000_000
_HEADINGS = 28
_FIRST = re.compile(r'"(.*?)","(.*)",(\d{1,9}),(\d{1,9}),(\d{1,9}),(\d{1,9})')
_PAIR = re.compile(r"(-?\d{1,9})(?:\.\d*)?,(-?\d{1,9})(?:\.\d*)?")
_LABELLED = re.compile(r'"([^"]*)","(.*)","Notes","(.*)"')
_NAMED = re.compile(r'"(.*)"')


@dataclass(frozen=True)
class CpcPoint:
    """A point in pixels, with its label and note; both may be empty."""

    row: int
    col: int
    label: str = ""
    note: str = ""


@dataclass(frozen=True)
class CpcFile:
    """The points of a photograph.

    Attributes:
        image: the path of the photograph, as Windows writes it.
        height, width: of the photograph in pixels.
        points: in their order.
        codes: the path of the file of codes.
        display: width and height of the display, in fifteenths of a pixel; none: those of the photograph.
        frame: the four corners (x, y) in fifteenths of a pixel; none: those of the photograph.
        headings: texts of the last lines.
    """

    image: str
    height: int
    width: int
    points: list[CpcPoint]
    codes: str = ""
    display: tuple[int, int] | None = None
    frame: list[tuple[int, int]] = field(default_factory=list)
    headings: list[str] = field(default_factory=lambda: [""] * _HEADINGS)


def read_cpc(data: bytes, name: str) -> CpcFile:
    """The points of a file, each at the pixel that holds it.

    Raises:
        TableError: no such file; the sentence names the line.
    """
    with damage_as(TableError, name, f"{name} is no file of CPCe"):
        return _read([line.strip() for line in _decoded(data).splitlines()], name)


def write_cpc(file: CpcFile) -> bytes:
    """The bytes of a file, in UTF-8.

    Raises:
        SpacerInputError: a text with a line break, which the format cannot hold.
    """
    width, height = file.width * PARTS_OF_A_PIXEL, file.height * PARTS_OF_A_PIXEL
    frame = file.frame or [(0, height), (width, height), (width, 0), (0, 0)]
    shown_width, shown_height = file.display or (width, height)
    lines = [f'"{file.codes}","{file.image}",{width},{height},{shown_width},{shown_height}']
    lines += [f"{x},{y}" for x, y in frame]
    lines.append(str(len(file.points)))
    lines += [f"{point.col * PARTS_OF_A_PIXEL},{point.row * PARTS_OF_A_PIXEL}" for point in file.points]
    lines += [f'"{number}","{one.label}","Notes","{one.note}"' for number, one in enumerate(file.points, 1)]
    lines += [f'"{heading}"' for heading in file.headings]
    if broken := [line for line in lines if len(line.splitlines()) > 1]:
        raise SpacerInputError(f"A file of CPCe cannot hold a line break, as in {broken[0][:60]!r}.")
    return "".join(f"{line}\r\n" for line in lines).encode()


def _decoded(data: bytes) -> str:
    """The text: UTF-8, or what Windows writes in western languages."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _read(lines: list[str], name: str) -> CpcFile:
    def found(pattern: re.Pattern[str], number: int, what: str) -> tuple[str, ...]:
        match = pattern.fullmatch(lines[number]) if number < len(lines) else None
        if match is None:
            raise TableError(f"{name}, line {number + 1}: here should be {what}.")
        return match.groups()

    codes, image, *sizes = found(_FIRST, 0, "the paths of the codes and of the photograph, and four sizes")
    width, height, *display = map(int, sizes)
    frame = [_pair(found(_PAIR, 1 + number, "a corner of the frame")) for number in range(4)]
    count = int(found(re.compile(r"(\d{1,7})"), 5, "the number of points")[0])
    if count > MOST_POINTS:
        raise TableError(f"{name}, line 6: {count} points are more than a photograph has.")
    positions = [_pair(found(_PAIR, 6 + number, f"x,y of point {number + 1}")) for number in range(count)]
    labelled = [
        found(_LABELLED, 6 + count + number, f"number, label and note of point {number + 1}") for number in range(count)
    ]
    points = [
        CpcPoint(_pixel(y), _pixel(x), label.strip(), note)
        for (x, y), (_, label, note) in zip(positions, labelled, strict=True)
    ]
    rest = [line for line in lines[6 + 2 * count :] if line]
    headings = [match[1] if (match := _NAMED.fullmatch(line)) else line for line in rest]
    size = _pixel(height), _pixel(width)
    return CpcFile(image, *size, points, codes, (display[0], display[1]), frame, headings)


def _pair(texts: tuple[str, ...]) -> tuple[int, int]:
    return int(texts[0]), int(texts[1])


def _pixel(parts: int) -> int:
    return parts // PARTS_OF_A_PIXEL

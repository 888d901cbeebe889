"""Matplotlib without its global state: figures, files written whole or not at all, and parts of HTML pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from html import escape
from io import BytesIO
from os import PathLike, fspath
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from spacer_like.exceptions import SpacerInputError
from spacer_like.extras import import_extra
from spacer_like.location import DataLocation
from spacer_like.storage import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Destination = str | PathLike[str] | DataLocation

# Metadata without the hour: the same numbers give the same file.
_WITHOUT_HOUR: dict[str, dict[str, Any]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
    "png": {"Software": None},
}

FORMATS = ("png", "svg", "pdf", "jpg", "jpeg", "webp")
_OTHER_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "WenQuanYi Micro Hei",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans",
    "Arial Unicode MS",
    "Noto Sans",
)


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure of `width` x `height` inches that only Agg draws; no window, no pyplot.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    import_extra("matplotlib.backends.backend_agg", "Drawing pictures", "plots")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def check_drawing(*locations: DataLocation) -> None:
    """Refuse, before a long work begins, pictures that could not be drawn at its end.

    Raises:
        MissingExtraError: matplotlib is not installed.
        SpacerInputError: a name's ending is none of `FORMATS`.
    """
    for location in locations:
        check_ending(location)
    new_figure(1, 1)


def as_location(path: Destination) -> DataLocation:
    """A path as its location on the file system; a location stays itself."""
    return path if isinstance(path, DataLocation) else DataLocation("filesystem", fspath(path))


def check_ending(location: DataLocation) -> str:
    """The format that the ending of a picture's name sets, one of `FORMATS`.

    Raises:
        SpacerInputError: it is none of them.
    """
    ending = PurePosixPath(location.filename).suffix.lower().removeprefix(".")
    if ending not in FORMATS:
        raise SpacerInputError(
            f"A picture's name must end in one of {', '.join(FORMATS)}, and '{location.display_name}' does not."
        )
    return ending


def write_figure(figure: Figure, path: Destination, dpi: int) -> DataLocation:
    """Write the picture in the format that the name's ending sets, and return where it lies.

    Raises:
        SpacerInputError: the ending is none of `FORMATS`.
    """
    location = as_location(path)
    ending = check_ending(location)
    write_bytes(location, _drawn(figure, ending, _WITHOUT_HOUR.get(ending), dpi))
    return location


def svg_element(figure: Figure, description: str) -> str:
    """The figure as an ``<svg>`` element for an HTML page: its texts are texts, and it refers to nothing outside.

    Args:
        description: what a screen reader says instead.
    """
    text = _drawn(figure, "svg", dict.fromkeys(("Date", "Creator", "Format", "Type")), dpi=72).decode()
    # A style element would apply to the whole page; its stroke-linejoin moves to the first tag.
    element = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text[text.index("<svg ") :], count=1, flags=re.DOTALL)
    first = f'<svg role="img" aria-label="{escape(description)}" stroke-linejoin="round" '
    return element.replace("<svg ", first, 1).strip()


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]], names: int = 1) -> str:
    """A table of fields that are HTML already; the first `names` columns hold names, the others numbers."""

    def line(fields: Sequence[str], tag: str) -> str:
        kinds = [' class="name"' if column < names else "" for column in range(len(fields))]
        return "".join(f"<{tag}{kind}>{field}</{tag}>" for kind, field in zip(kinds, fields, strict=True))

    body = "".join(f"<tr>{line(fields, 'td')}</tr>" for fields in rows)
    return f"<table><thead><tr>{line(head, 'th')}</tr></thead><tbody>{body}</tbody></table>"


def _drawn(figure: Figure, ending: str, metadata: dict[str, Any] | None, dpi: int) -> bytes:
    from matplotlib import rc_context

    stream = BytesIO()
    # Without a salt the names inside an SVG are random.
    with rc_context({"svg.hashsalt": "spacer_like", "svg.fonttype": "none"}):
        figure.savefig(stream, format=ending, dpi=dpi, metadata=metadata)
    return stream.getvalue()


def name_style(**style: Any) -> dict[str, Any]:
    """Arguments for a text that shows a class's name: never read as a formula, in fonts that hold its characters."""
    return {"fontfamily": list(_fonts()), "parse_math": False, **style}


def drawable(text: str) -> str:
    """The text with a replacement for every character that no installed font can draw."""
    known = _known_characters()
    return "".join(character if ord(character) in known else "\N{WHITE SQUARE}" for character in text)


@cache
def _fonts() -> tuple[str, ...]:
    from matplotlib.font_manager import fontManager

    installed = {entry.name for entry in fontManager.ttflist}
    return ("DejaVu Sans", *(name for name in _OTHER_FONTS if name in installed))


@cache
def _known_characters() -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(
        code for name in _fonts() for code in get_font(findfont(FontProperties(family=[name]))).get_charmap()
    )

"""Matplotlib without its global state: figures that belong to their caller, and files written whole or not at all."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from os import PathLike, fspath
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from spacer_like.exceptions import SpacerInputError
from spacer_like.extras import import_extra
from spacer_like.location import DataLocation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Destination = str | PathLike[str] | DataLocation

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
    """A path as the place it names on the file system; a location stays itself."""
    return path if isinstance(path, DataLocation) else DataLocation("filesystem", fspath(path))


def check_ending(location: DataLocation) -> str:
    """The format that the ending of a picture's name tells, one of `FORMATS`.

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
    """Write the picture in the format that the name's ending tells, and return where it lies.

    Raises:
        SpacerInputError: the ending is none of `FORMATS`.
    """
    location = as_location(path)
    ending = check_ending(location)
    from spacer_like.storage import write_bytes

    stream = BytesIO()
    figure.savefig(stream, format=ending, dpi=dpi, metadata=_reproducible(ending))
    write_bytes(location, stream.getvalue())
    return location


def _reproducible(ending: str) -> dict[str, Any] | None:
    """Metadata without the hour, so that the same numbers give the same file."""
    return {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}.get(ending)


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

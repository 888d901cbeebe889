"""Pictures of a request, drawn when a page is looked at: the photograph with its points, images, an evaluation.

This module alone of the application needs array libraries, and is imported by nothing that submits or collects jobs.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image

from spacer_like.config import settings
from spacer_like.contrib.django.request_page import Request, best_labels
from spacer_like.data_classes.base import parse_json
from spacer_like.data_classes.features import ImageFeatures
from spacer_like.exceptions import DataLimitError
from spacer_like.images.decode import open_image, to_rgb_array
from spacer_like.location import DataLocation
from spacer_like.storage import open_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 80
_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif")
_MOST_BYTES, _MOST_PIXELS = 100_000_000, 60_000_000
"""Of an image: a web server has several at a time, and less memory than what the tasks run on."""
_MOST_POINTS, _MOST_PICTURES = 2_000, 20
_LONGEST_SIDE = 1_000


class Picture(NamedTuple):
    """What can be drawn: its kind, what it is of, and a title."""

    kind: str
    loc: DataLocation
    title: str


def pictures_of(request: Request) -> list[Picture]:
    """The pictures of a request, of which none is read yet: at most twenty, always in the same order."""
    found = []
    image_loc = getattr(request.message, "image_loc", None)
    if isinstance(image_loc, DataLocation) and hasattr(request.message, "rowcols"):
        found.append(Picture("points", image_loc, "The image with its points"))
    report_loc = getattr(request.message, "report_loc", None)
    if request.message.task == "train_classifier" and report_loc is not None and request.result is not None:
        found.append(Picture("evaluation", report_loc, "The evaluation"))
    taken = {picture.loc for picture in found}
    for one in (request.message, request.result):
        for name, loc in _locations(one):
            is_image = name == "image_loc" or PurePosixPath(loc.filename.lower()).suffix in _ENDINGS
            if is_image and loc not in taken:
                taken.add(loc)
                found.append(Picture("image", loc, name))
    return found[:_MOST_PICTURES]


def draw(picture: Picture, request: Request) -> bytes:
    """A picture as PNG.

    Raises:
        SpacerError: what it is of cannot be read, is too large, or the packages that draw are missing.
    """
    stream = BytesIO()
    if picture.kind == "image":
        shown = Image.fromarray(to_rgb_array(_image(picture.loc)))
        shown.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
        shown.save(stream, "PNG")
    else:
        figure = _evaluation(picture) if picture.kind == "evaluation" else _points(picture, request)
        figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
    return stream.getvalue()


def size_of_features(request: Request) -> str:
    """How many features of how many numbers the feature file of an extraction has; '': there is none.

    Raises:
        SpacerError: it cannot be read, or is too large.
    """
    if request.message.task != "extract_features" or request.result is None:
        return ""
    loc = request.message.feature_loc
    features = ImageFeatures.from_bytes(_bytes(loc), loc.display_name)
    return f"{features.npoints:,} points, {features.feature_dim:,} numbers each"


def _evaluation(picture: Picture) -> Figure:
    from spacer_like.reports.evaluation_picture import evaluation_figure

    return evaluation_figure(parse_json(_bytes(picture.loc), picture.loc.display_name))


def _points(picture: Picture, request: Request) -> Figure:
    from spacer_like.reports.annotated_picture import annotated_figure

    rowcols = request.message.rowcols
    labels = {(row, column): best[0] for row, column, best in best_labels(request.result) if best}
    points = [(row, column, *labels.get((row, column), ("point", None))) for row, column in rowcols[:_MOST_POINTS]]
    title = f"{_MOST_POINTS:,} of {len(rowcols):,} points" if len(rowcols) > _MOST_POINTS else ""
    return annotated_figure(_image(picture.loc), points, title=title)


def _image(loc: DataLocation) -> Image.Image:
    return open_image(_bytes(loc), loc.display_name, min(settings().max_image_pixels, _MOST_PIXELS))


def _bytes(loc: DataLocation) -> bytes:
    with open_file(loc) as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise DataLimitError(
            f"The file '{loc.display_name}' has more than {_MOST_BYTES:,} bytes: it is not shown here."
        )
    return data


def _locations(message: Any) -> Iterator[tuple[str, DataLocation]]:
    """The locations in the fields of a message, also those in lists, by the field's name."""
    for name in type(message).model_fields if message is not None else ():
        value = getattr(message, name)
        for one in value if isinstance(value, list | tuple) else [value]:
            if isinstance(one, DataLocation):
                yield name, one

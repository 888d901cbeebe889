"""The sources of images, such as sites or surveys: their folders, or what a table says."""

from __future__ import annotations

import csv
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from spacer_like.cli.locations import read_text_source
from spacer_like.exceptions import SpacerInputError, TableError, damage_as
from spacer_like.images.names import ImageNames
from spacer_like.tables.cells import csv_rows, decoded_table, stripped

if TYPE_CHECKING:
    from spacer_like.data_classes import ImageLabels
    from spacer_like.points.point_table import PointTable

HEADINGS = ("source", "site", "survey", "camera", "transect")


def image_sources(labels: ImageLabels, table: PointTable, sources: str | None) -> dict[str, str] | None:
    """The source of each image by the key of its feature file; None where no table is given, and all lie in one folder.

    Args:
        labels: those of the table, as `labelled_features` makes them, in its order.
        sources: a table with the columns image, source; None: the folders of the images.

    Raises:
        SpacerInputError: not such a table, or an image that it does not name.
    """
    images = [image for image, points in table.images.items() if any(label is not None for *_, label in points)]
    if sources is None:
        folders = [str(PurePosixPath(image.replace("\\", "/")).parent) for image in images]
        return dict(zip((loc.key for loc in labels), folders, strict=True)) if len(set(folders)) > 1 else None
    data, name = read_text_source(sources)
    with damage_as(TableError, name, f"{name} is not CSV"):
        known = _read(data, name)
    names, found = ImageNames(known), {}
    for image, loc in zip(images, labels, strict=True):
        same = image if image in known else names.find(image)
        if same is None:
            raise SpacerInputError(f"{name} names no source of the image {image}{names.nearest(image)}.")
        found[loc.key] = known[same]
    return found


def _read(data: bytes, name: str) -> dict[str, str]:
    try:
        text, delimiter = decoded_table(data)
        rows = [(line, cells) for line, cells in csv_rows(text, delimiter, read=stripped) if any(cells)]
    except UnicodeDecodeError as error:
        raise SpacerInputError(f"{name} is not UTF-8 text (byte {error.start}): save it as 'CSV UTF-8'.") from None
    except csv.Error as error:
        reason, line = error.args
        raise SpacerInputError(f"{name}, line {line}: this is not CSV ({reason}).") from None
    heading = [cell.lower() for cell in rows[0][1]] if rows else []
    of_source = next((one for one in HEADINGS if one in heading), None)
    if "image" not in heading or of_source is None:
        raise SpacerInputError(f"{name}: its first line must name image and source, and names {', '.join(heading)}.")
    at = heading.index("image"), heading.index(of_source)
    found: dict[str, str] = {}
    for line, cells in rows[1:]:
        image, source = (cells[column] if column < len(cells) else "" for column in at)
        if not image or not source:
            raise SpacerInputError(f"{name}, line {line}: the image or its source is empty.")
        if found.setdefault(image, source) != source:
            raise SpacerInputError(f"{name}, line {line}: {image} is of '{source}', and of '{found[image]}' before.")
    return found

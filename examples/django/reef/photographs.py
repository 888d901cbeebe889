"""Storing what visitors upload: photographs, and tables of labelled points."""

from __future__ import annotations

from io import BytesIO

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from PIL import Image

from spacer_like.exceptions import DataLimitError, SpacerInputError
from spacer_like.images.decode import open_image, to_rgb_array
from spacer_like.points.point_table import read_points
from spacer_like.storage import write_bytes

from .models import Label, Photograph, Point

FIRST_BYTES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
"""Of JPEG and of PNG: what begins otherwise is given to no decoder."""
ROWS, COLUMNS = 6, 8
"""Of the points that are set in each photograph."""
MOST_POINTS = 900
"""Of a photograph: Django reads 1,000 fields of a form."""
MOST_TABLE_BYTES = 2_000_000
_SHOWN_SIDE = 1600


@transaction.atomic
def store_photograph(upload: UploadedFile, table: UploadedFile | None = None) -> Photograph:
    """Check a photograph, store it, and set points in it: a grid, and those of a table.

    Raises:
        SpacerInputError: the photograph or the table cannot be used, in one sentence.
    """
    name = upload.name or "photograph"
    if upload.size > settings.REEF_MOST_BYTES:
        raise DataLimitError(f"'{name}' is larger than {settings.REEF_MOST_BYTES / 1e6:.0f} MB: make it smaller.")
    data = upload.read()
    if not data.startswith(FIRST_BYTES):
        raise SpacerInputError(f"'{name}' is neither a JPEG nor a PNG: choose a photograph in one of these formats.")
    # The page shows a smaller copy, which has the pixels alone: no place, no camera, nothing else that a file can hold.
    copy = Image.fromarray(to_rgb_array(open_image(data, name, settings.REEF_MOST_PIXELS)))
    photograph = Photograph.objects.create(name=name, width=copy.width, height=copy.height)
    copy.thumbnail((_SHOWN_SIDE, _SHOWN_SIDE))
    shown = BytesIO()
    copy.save(shown, "JPEG", quality=90)
    write_bytes(photograph.at("original"), data)
    write_bytes(photograph.at("shown.jpg"), shown.getvalue())
    grid = {
        ((2 * row + 1) * photograph.height // (2 * ROWS), (2 * column + 1) * photograph.width // (2 * COLUMNS))
        for row in range(ROWS)
        for column in range(COLUMNS)
    }
    Point.objects.bulk_create(Point(photograph=photograph, row=row, column=column) for row, column in sorted(grid))
    if table is not None:
        store_labels(photograph, table)
    return photograph


@transaction.atomic
def store_labels(photograph: Photograph, table: UploadedFile) -> int:
    """Give points the labels of a table (CSV: image, row, col, label), and set those that are new; returns how many.

    Raises:
        SpacerInputError: the table cannot be read, or names no point of the photograph.
    """
    if table.size > MOST_TABLE_BYTES:
        raise DataLimitError(f"'{table.name}' is larger than {MOST_TABLE_BYTES / 1e6:.0f} MB: leave out other images.")
    rows = read_points(table.read(), f"'{table.name}'", labelled=True).images.get(photograph.name, [])
    labelled = {(row, column): str(label) for row, column, label in rows if label is not None}
    if not labelled:
        raise SpacerInputError(f"'{table.name}' labels no point of the image '{photograph.name}'.")
    if outside := [one for one in labelled if one[0] >= photograph.height or one[1] >= photograph.width]:
        row, column = outside[0]
        raise SpacerInputError(f"'{table.name}' has a point outside '{photograph.name}': row {row}, column {column}.")
    if len({*photograph.rowcols, *labelled}) > MOST_POINTS:
        raise DataLimitError(f"'{table.name}' has too many points: a photograph has {MOST_POINTS} at most.")
    labels = {name: add_label(name) for name in set(labelled.values())}
    for (row, column), name in labelled.items():
        Point.objects.update_or_create(photograph=photograph, row=row, column=column, defaults={"label": labels[name]})
    return len(labelled)


def add_label(name: str) -> Label:
    """The label of a name, made where there is none.

    Raises:
        SpacerInputError: the name is longer than the table of labels allows.
    """
    most = Label._meta.get_field("name").max_length
    if len(name) > most:
        raise SpacerInputError(f"The label '{name[:40]}…' is longer than {most} characters.")
    return Label.objects.get_or_create(name=name)[0]

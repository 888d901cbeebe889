"""The page of labels that look wrong: each with its picture, the given label, and what is more probable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spacer_like.cores import thread_count
from spacer_like.exceptions import CollectionError, SpacerError, SpacerInputError
from spacer_like.images.decode import open_image, to_rgb_array
from spacer_like.images.names import ImageNames
from spacer_like.images.nested import is_image_name, open_nested_files
from spacer_like.review.labels import LabelItem, label_page
from spacer_like.review.pictures import as_jpeg, picture, point_pictures
from spacer_like.storage.base import outcomes
from spacer_like.wrong_labels.found import ANSWERS, Found, naming

if TYPE_CHECKING:
    from spacer_like.images.files import Files
    from spacer_like.location import DataLocation
    from spacer_like.wrong_labels.labelled import Labelled

Pictures = dict[Found, tuple[bytes, bytes | None]]


def wrong_labels_page(
    labelled: Labelled, found: Sequence[Found], images_loc: DataLocation, crop_size: int
) -> tuple[bytes, int]:
    """The page for some labels, and how many of them are not on it, as they have no picture.

    The table that it saves has the columns of `naming` and, of points, ``label``; of tags and chips ``answer``.

    Raises:
        CollectionError: none of the images is there.
    """
    pictures = _pictures(labelled, found, images_loc, crop_size)
    items: dict[tuple[str, ...], LabelItem] = {}
    for one in found:
        if one in pictures:
            columns = naming(labelled, one)
            # A point may be there twice.
            items.setdefault(tuple(columns.values()), _item(one, columns, *pictures[one]))
    tagged = labelled.kind != "points"
    page = label_page(
        list(items.values()),
        ANSWERS[::-1] if tagged else labelled.classes,
        "Labels that look wrong",
        answer="answer" if tagged else "label",
        file_name="corrections.csv",
        others=not tagged,
    )
    return page, len(found) - len(items)


def _item(one: Found, columns: dict[str, str], patch: bytes, surroundings: bytes | None) -> LabelItem:
    what = f"{one.tag}: " if one.tag is not None else ""
    reason = (
        f"{what}{one.likely} is likelier ({one.likely_probability:.0%}) than {one.given} ({one.self_confidence:.0%})."
    )
    return LabelItem(columns, patch, surroundings, one.suggestions, one.given, reason)


def _pictures(labelled: Labelled, found: Sequence[Found], images_loc: DataLocation, crop_size: int) -> Pictures:
    """The picture of each label, and of a point its surroundings, of those images that can be decoded."""
    by_image: dict[str, list[Found]] = {}
    files = open_nested_files(images_loc)
    try:
        names = ImageNames(name for name in files.names if is_image_name(name))
        for one in found:
            if (same := names.find(labelled.names[one.row])) is not None:
                by_image.setdefault(same, []).append(one)
        if found and not by_image:
            name = labelled.names[found[0].row]
            raise CollectionError(f"None of the images to draw is in '{files.name}', such as '{name}'.")
        pictures: Pictures = {}
        drawn = outcomes(
            lambda name: _of_image(labelled, by_image[name], files, name, crop_size), by_image, thread_count()
        )
        for _, made in drawn:
            if isinstance(made, SpacerError) and not isinstance(made, SpacerInputError):
                raise made
            if not isinstance(made, Exception):
                pictures |= made
        return pictures
    finally:
        files.close()


def _of_image(labelled: Labelled, found: Sequence[Found], files: Files, name: str, crop_size: int) -> Pictures:
    data = files.read(name)
    if labelled.kind != "points":
        jpeg = as_jpeg(picture(data, name))
        return dict.fromkeys(found, (jpeg, None))
    pixels = to_rgb_array(open_image(data, name))
    height, width = pixels.shape[:2]
    pictures: Pictures = {}
    for one in found:
        row, col = labelled.positions[one.row]
        if 0 <= row < height and 0 <= col < width:
            pictures[one] = point_pictures(pixels, row, col, crop_size)
    return pictures

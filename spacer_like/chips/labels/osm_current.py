"""Extracts with the history of their elements, or with negative ids, as extracts of what is there now; needs osmium.

Editors give negative ids to what is not uploaded yet. osmium looks up no place under such an id, so that they are
shifted to where no id of OpenStreetMap is, and back where elements are given out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from spacer_like.chips.labels.map_elements import Element
from spacer_like.chips.labels.osm_blobs import BlobReader
from spacer_like.exceptions import MapDataError
from spacer_like.storage.unfinished_files import temporary_folder

_SHIFT = 2**62
_TYPES = ("node", "way", "relation")


class NotCurrentError(MapDataError):
    """An extract has several versions of an element, or negative ids: it must be read by way of `current`."""


def with_true_ids(elements: list[Element]) -> list[Element]:
    """Elements of an extract that `current` made, with their original ids, by type and id."""
    for element in elements:
        element["id"] = _true_id(element["id"])
        if "nodes" in element:
            element["nodes"] = [_true_id(number) for number in element["nodes"]]
        for member in element.get("members", ()):
            member["ref"] = _true_id(member["ref"])
    return sorted(elements, key=lambda element: (_TYPES.index(element["type"]), element["id"]))


def _true_id(number: int) -> int:
    return number - _SHIFT if number >= _SHIFT // 2 else number


@contextmanager
def current(file: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """The same extract with the last version of each element, those that are deleted left out, and no negative id.

    Versions of an element follow each other, as they do in every file of history.

    Args:
        file: the extract, seekable.
        name: what errors call it.

    Raises:
        MapDataError: no ``.osm.pbf``, or a damaged one.
    """
    import osmium

    with temporary_folder() as folder:
        path = folder / "current.osm.pbf"
        writer = osmium.SimpleWriter(str(path))
        try:
            for element in _last_versions(BlobReader(file, name)):
                writer.add(element)
        finally:
            writer.close()
        with path.open("rb") as rewritten:
            yield rewritten


def _last_versions(blobs: BlobReader) -> Iterator[Any]:
    import osmium

    key, version, element = ("", 0), 0, None
    for data, _ in blobs.batches():
        reader = osmium.io.Reader(osmium.io.FileBuffer(data, "pbf"))
        try:
            one: Any
            for one in osmium.OsmFileIterator(reader):
                is_other = (one.type_str(), one.id) != key
                if is_other and element is not None:
                    yield element
                if is_other or one.version >= version:
                    key, version, element = (one.type_str(), one.id), one.version, _copied(one)
        finally:
            reader.close()
    if element is not None:
        yield element


def _copied(element: Any) -> Any:
    """An element that outlives its file; None: it is deleted."""
    from osmium.osm import mutable

    if element.deleted or not element.visible:
        return None
    fields = {"id": _shifted(element.id), "version": element.version, "tags": dict(element.tags)}
    if element.is_node():
        if not element.location.valid():
            return None
        return mutable.Node(**fields, location=(element.location.lon, element.location.lat))
    if element.is_way():
        return mutable.Way(**fields, nodes=[_shifted(node.ref) for node in element.nodes])
    members = [(member.type, _shifted(member.ref), member.role) for member in element.members]
    return mutable.Relation(**fields, members=members)


def _shifted(number: int) -> int:
    return number + _SHIFT if number < 0 else number

"""Which closed ways are areas: OpenStreetMap itself does not say.

The list is that of the OpenStreetMap wiki, "Overpass turbo/Polygon Features" (public domain, CC0), which the programs
that convert map data share: a closed way is an area where one of its tags is in the list. ``area=yes`` and ``area=no``
decide by themselves, and a value ``no`` counts for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

_ALL = frozenset(
    [
        "amenity", "area", "area:highway", "boundary", "building", "building:part", "craft", "golf", "historic",
        "indoor", "landuse", "leisure", "military", "office", "place", "public_transport", "ruins", "shop", "tourism",
    ]
)  # fmt: skip
_ONLY = {
    "barrier": frozenset(["city_wall", "ditch", "hedge", "retaining_wall", "spikes", "wall"]),
    "highway": frozenset(["elevator", "escape", "rest_area", "services"]),
    "power": frozenset(["generator", "plant", "substation", "transformer"]),
    "railway": frozenset(["platform", "roundhouse", "station", "turntable"]),
    "waterway": frozenset(["boatyard", "dam", "dock", "riverbank"]),
}
_ALL_BUT = {
    "aeroway": frozenset(["taxiway"]),
    "man_made": frozenset(["cutline", "embankment", "pipeline"]),
    "natural": frozenset(["arete", "cliff", "coastline", "ridge", "tree_row"]),
}
_KEYS = _ALL | _ONLY.keys() | _ALL_BUT.keys()


def is_area(tags: Mapping[str, str]) -> bool:
    """Whether a closed way of these tags is an area, and not a line that comes back to its beginning.

    >>> is_area({"building": "yes"}), is_area({"junction": "roundabout", "highway": "primary"})
    (True, False)
    """
    whole = tags.get("area")
    if whole is not None and whole != "no":
        return True
    if whole == "no":
        return False
    return any(_says_so(key, tags[key]) for key in _KEYS & tags.keys())


def _says_so(key: str, value: str) -> bool:
    if value == "no":
        return False
    if key in _ONLY:
        return value in _ONLY[key]
    return value not in _ALL_BUT.get(key, ())

"""STAC items, collections and catalogs read as lists of rasters (version 1 of the specification, stacspec.org).

Only what names rasters is read: an item's assets, a feature collection's items, and the links of catalogs.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import urljoin

from spacer_like.exceptions import SpacerInputError, TableError, nearest
from spacer_like.location import DataLocation

_MOST_DOCUMENTS = 10_000
_RASTER_TYPES = ("image/tiff", "image/jp2", "image/vnd.stac.geotiff")
_ENDINGS = (".tif", ".tiff", ".jp2", ".img", ".ntf")


class Asset(NamedTuple):
    """A raster that an item names.

    Fields:
        item: the item's id.
        name: of the asset in its item; of several that are bands of one scene, the first's.
        band_locs: those of the scene's further bands.
        clouds_loc: the asset that says where the scene's clouds are; None: there is none.
    """

    item: str
    name: str
    loc: DataLocation
    band_locs: tuple[DataLocation, ...] = ()
    clouds_loc: DataLocation | None = None


def assets_in(
    loc: DataLocation,
    read: Callable[[DataLocation], Any],
    names: Sequence[str] | None = None,
    bands: Sequence[str] = (),
    clouds: str | None = None,
) -> list[Asset]:
    """The rasters that a STAC document names, and those that it links to, in their order.

    Args:
        read: the parsed JSON at a location.
        names: of the assets that are taken; None: those called like all of `bands`, which are one scene, else the
            only raster of an item, else its `visual`.
        clouds: the name of the asset that says where the clouds of such a scene are.

    Raises:
        TableError: a document is none of STAC, or more than 10,000 are linked.
        SpacerInputError: an item has no such asset, or several rasters and no `visual`; a document of the web names
            one that is not there.
    """
    folder = loc.key.rpartition("/")[0]
    return [
        asset for item, at in _items(loc, folder, read) for asset in _assets_of(item, at, folder, names, bands, clouds)
    ]


def _items(
    loc: DataLocation, folder: str, read: Callable[[DataLocation], Any]
) -> Iterator[tuple[dict[str, Any], DataLocation]]:
    waiting, seen = [loc], {loc}
    while waiting:
        at = waiting.pop(0)
        document = read(at)
        kind = document.get("type") if isinstance(document, dict) else None
        if kind == "Feature":
            yield document, at
        elif kind == "FeatureCollection":
            for item in _list(document, "features", at):
                yield item, at
        elif kind in ("Catalog", "Collection"):
            for link in _list(document, "links", at):
                if link.get("rel") not in ("item", "items", "child"):
                    continue
                found = _relative(at, folder, link.get("href"))
                if found not in seen:
                    seen.add(found)
                    waiting.append(found)
        else:
            raise TableError(f"'{at.display_name}' is no STAC item, collection or catalog.")
        if len(seen) > _MOST_DOCUMENTS:
            raise TableError(f"'{loc.display_name}' links to more than {_MOST_DOCUMENTS:,} documents of STAC.")


def _assets_of(
    item: dict[str, Any],
    at: DataLocation,
    folder: str,
    names: Sequence[str] | None,
    bands: Sequence[str],
    clouds: str | None,
) -> list[Asset]:
    assets = item.get("assets")
    key = str(item.get("id", ""))
    if not isinstance(assets, dict) or not all(isinstance(asset, dict) for asset in assets.values()):
        raise TableError(f"The STAC item '{key}' in '{at.display_name}' has no assets.")
    if names is None and len(bands) > 1 and all(band in assets for band in bands):
        first, *others = (_relative(at, folder, assets[band].get("href")) for band in bands)
        clouds_loc = _relative(at, folder, assets[clouds].get("href")) if clouds in assets else None
        return [Asset(key, bands[0], first, tuple(others), clouds_loc)]
    if names is None:
        rasters = [name for name, asset in assets.items() if _is_raster(asset)]
        names = ["visual"] if "visual" in rasters else rasters
        if len(names) != 1:
            raise SpacerInputError(
                f"The STAC item '{key}' has {len(rasters)} rasters"
                + (f" ({', '.join(rasters[:20])}): name the assets that are meant." if rasters else ".")
            )
    found = []
    for name in names:
        if name not in assets:
            hint = nearest(name, assets) or f" It has {', '.join(list(assets)[:20])}."
            raise SpacerInputError(f"The STAC item '{key}' has no asset '{name}'.{hint}")
        found.append(Asset(key, name, _relative(at, folder, assets[name].get("href"))))
    return found


def _is_raster(asset: dict[str, Any]) -> bool:
    roles = asset.get("roles") or []
    is_other = any(role in roles for role in ("thumbnail", "overview", "metadata"))
    kind, href = str(asset.get("type", "")), str(asset.get("href", "")).partition("?")[0].lower()
    return not is_other and (kind.startswith(_RASTER_TYPES) or href.endswith(_ENDINGS))


def _relative(at: DataLocation, folder: str, href: Any) -> DataLocation:
    """The location that a document names, which may be relative to its own; not on the web it lies below `folder`."""
    if not isinstance(href, str) or not href:
        raise TableError(f"'{at.display_name}' names a file without a text for its location.")
    if "://" in href:
        found = DataLocation.from_uri(href)
    elif at.storage_type == "url":
        found = DataLocation("url", urljoin(at.key, href))
    else:
        key = posixpath.normpath(posixpath.join(at.key.rpartition("/")[0], href))
        if not key.startswith(f"{folder}/" if folder else "") or key.startswith("../"):
            raise SpacerInputError(f"'{at.display_name}' names '{href[:200]}', which lies beyond the catalog's folder.")
        return DataLocation(at.storage_type, key, at.bucket_name)
    # A document must not choose which local files are read.
    if found.storage_type in ("filesystem", "memory"):
        raise SpacerInputError(f"'{at.display_name}' names the local file '{href[:200]}', which is not read.")
    return found


def _list(document: dict[str, Any], name: str, at: DataLocation) -> list[dict[str, Any]]:
    found = document.get(name)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise TableError(f"'{at.display_name}' is no document of STAC: its '{name}' are no list of objects.")
    return found

"""What rasters say of themselves: their size, place, bands and date."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date as Date
from typing import Any

from spacer_like.exceptions import SpacerInputError, TileError, nearest

START_BYTES = 16
"""Of a file, which say of which format it is."""
# GDAL's formats that keep all in one file. One of others, such as VRT, may name further files or hosts to be read.
_DRIVERS = {
    rb"II[*+]\0|MM\0[*+]": "GTiff",
    rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51": "JP2OpenJPEG",
    rb"\xff\xd8\xff": "JPEG",
    rb"\x89PNG\r\n": "PNG",
    rb"RIFF....WEBP": "WEBP",
    rb"EHFA_HEADER_TAG": "HFA",
    rb"NITF|NSIF": "NITF",
    rb"BM": "BMP",
    rb"GIF8": "GIF",
}
_MOST_SOURCE = 100
_DATE = re.compile(r"(?<!\d)(19|20)(\d\d)[-_:]?(0[1-9]|1[0-2])[-_:]?(0[1-9]|[12]\d|3[01])(?!\d)")
# What people call bands by colour, and how else producers call them.
_COLOURS = {
    "red": ("red", "b04", "b4"),
    "green": ("green", "b03", "b3"),
    "blue": ("blue", "b02", "b2"),
    "nir": ("nir", "near infrared", "undefined", "b08", "b8"),
}


@dataclass(frozen=True)
class Raster:
    """What a raster says of itself.

    Fields:
        name: what errors call it.
        width, height: in pixels.
        crs: its projection, rasterio's; None: it does not say where it lies.
        transform: from pixels to the projection, an affine.Affine.
        dtypes, band_names, colours: of each band; names and colours may be empty texts.
        nodata: the value of pixels without data; None: there is none.
        overviews: how many times smaller its overviews are, from the largest.
        date: of the acquisition, like 2026-06-11; "": not known.
    """

    name: str
    width: int
    height: int
    crs: Any
    transform: Any
    dtypes: tuple[str, ...]
    band_names: tuple[str, ...]
    colours: tuple[str, ...]
    nodata: float | None
    overviews: tuple[int, ...]
    date: str


def driver_of(start: bytes, name: str) -> str:
    """GDAL's name of the format of a file that begins with these bytes.

    >>> driver_of(bytes.fromhex("49492a00"), "a.tif")
    'GTiff'

    Raises:
        TileError: it is of no format that is read.
    """
    for signature, driver in _DRIVERS.items():
        if re.match(signature, start, re.DOTALL):
            return driver
    raise TileError(
        f"'{name}' is no raster that can be read: these are GeoTIFF, JPEG 2000, PNG, JPEG, WebP, Erdas Imagine, NITF, "
        "BMP and GIF."
    )


def described(dataset: Any, name: str) -> Raster:
    """What an opened raster says of itself.

    Args:
        name: what errors call it; a date in it counts where the raster's metadata have none.

    Raises:
        TileError: it has no bands, as a file of several rasters.
    """
    if not dataset.count:
        raise TileError(f"The raster '{name}' has no bands of its own, but perhaps rasters inside: extract one.")
    is_placed = dataset.crs is not None and not dataset.transform.is_identity
    return Raster(
        name=name,
        width=dataset.width,
        height=dataset.height,
        crs=dataset.crs if is_placed else None,
        transform=dataset.transform,
        dtypes=tuple(dataset.dtypes),
        band_names=tuple(text or "" for text in dataset.descriptions),
        colours=tuple(colour.name for colour in dataset.colorinterp),
        nodata=dataset.nodata,
        overviews=tuple(dataset.overviews(1)),
        date=_date_in(dataset.tags().get("TIFFTAG_DATETIME", "")) or _date_in(name.rpartition("/")[2]),
    )


def bands_of(raster: Raster, wanted: Sequence[str]) -> tuple[int, ...]:
    """The numbers of bands, from 1, by their numbers, names or colours.

    Raises:
        SpacerInputError: the raster has no such band, or several.
    """
    names = [text.strip() for text in wanted]
    return tuple(_band_of(raster, text, names) for text in names)


def parts_around(band: str, filename: str) -> tuple[str, str] | None:
    """What a file's name has before and after a band's, which other characters than letters and digits set apart; None:
    it has none.

    >>> parts_around("B04", "T33_B04_10m.tif")
    ('T33_', '_10m')
    """
    found = re.fullmatch(rf"(?i)(|.*[^a-z0-9]){re.escape(band)}(|[^a-z0-9].*)", filename.rpartition(".")[0])
    return None if found is None else (found[1], found[2])


def source_name(filename: str) -> str:
    """A raster's name in the names of its chips: its file's, with hyphens for what is no letter, digit or dot.

    >>> source_name("T33_2026 06.tif")
    'T33-2026-06'
    """
    stem = filename.rpartition(".")[0] or filename
    text = re.sub(r"[^A-Za-z0-9.]+", "-", stem).strip("-.")
    return text[-_MOST_SOURCE:].lstrip("-.") or "raster"


def _band_of(raster: Raster, text: str, wanted: Sequence[str]) -> int:
    count = len(raster.dtypes)
    if text.isdecimal():
        if not 1 <= int(text) <= count:
            raise SpacerInputError(f"The raster '{raster.name}' has no band {text}: it has {count}.")
        return int(text)
    names = [name.lower() for name in raster.band_names]
    called = [names, [colour.lower() for colour in raster.colours]]
    for one in (text.lower(), *_COLOURS.get(text.lower(), ())):
        for texts in called:
            if one and texts.count(one) == 1:
                return texts.index(one) + 1
    filename = raster.name.rpartition("/")[2]
    in_name = {band: parts_around(band, filename) is not None for band in wanted if not band.isdecimal()}
    if count == 1 and True in in_name.values() and False in in_name.values():
        own, missing = (next(band for band, is_there in in_name.items() if is_there == side) for side in (True, False))
        raise SpacerInputError(
            f"By its name the raster '{raster.name}' is the band '{own}' of a scene that has no file of the band "
            f"'{missing}': add that one, or leave the band out."
        )
    known = [name for name in (*raster.band_names, *raster.colours) if name]
    hint = nearest(text, known) or f" Its bands are {', '.join(dict.fromkeys(known))}; or give numbers, 1 to {count}."
    raise SpacerInputError(f"The raster '{raster.name}' has no band '{text}'.{hint}")


def _date_in(text: str) -> str:
    for found in _DATE.finditer(text):
        try:
            return Date(int(found[1] + found[2]), int(found[3]), int(found[4])).isoformat()
        except ValueError:
            continue
    return ""

"""Scenes whose bands are files of their own, such as those of Sentinel-2 and Landsat: which files are one scene."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from spacer_like.chips.rasters.raster import Raster, parts_around, source_name
from spacer_like.exceptions import SpacerInputError
from spacer_like.location import DataLocation

# Of a pixel of the coarser raster.
_APART = 1.0


class Scene(NamedTuple):
    """A raster, or files that are its bands.

    Fields:
        loc: the file, or that of the first band.
        name: in those of chips.
        band_locs: the files of the further bands, in their order.
        clouds_loc: the file that says where clouds are; None: a band does, or nothing.
    """

    loc: DataLocation
    name: str
    band_locs: tuple[DataLocation, ...] = ()
    clouds_loc: DataLocation | None = None


def scenes_of(
    files: Mapping[DataLocation, str], bands: Sequence[str], template: str | None, clouds: str | None
) -> list[Scene] | None:
    """The scenes that files are the bands of, by their names; None: their names are those of no bands.

    Args:
        files: the last part of each one's path.
        bands: their names, in the order that chips have them.
        template: of the names of files, ``{band}`` for the band's, ``*`` for what tells scenes apart, ``?`` for any
            character; of several files of a band the first by name. None: files of a folder whose names differ in the
            band alone, which stands between other characters than letters and digits.
        clouds: the name of the file of clouds in place of a band's, which a scene may lack; None: there is none.

    Raises:
        SpacerInputError: no file has a name of the template, or a scene lacks a band, or has two files of one name.
    """
    found: dict[tuple[str, ...], dict[str, DataLocation]] = {}
    names = [*bands, *([clouds] if clouds is not None and clouds not in bands else [])]
    for loc, filename in files.items():
        for name in names:
            key = _scene_key(loc, filename, name, template)
            if key is None:
                continue
            others = found.setdefault(key, {})
            if name in others and files[others[name]] < filename:
                break
            if name in others and files[others[name]] == filename:
                raise SpacerInputError(
                    f"The files '{others[name].display_name}' and '{loc.display_name}' are both the band '{name}' of "
                    "one scene: name the files by a template that tells them apart."
                )
            others[name] = loc
            break
    scenes = {key: those for key, those in found.items() if any(band in those for band in bands)}
    if template is None and not any(all(band in those for band in bands) for those in scenes.values()):
        # Two bands that are files show that the others were to be.
        scenes = {key: those for key, those in scenes.items() if sum(band in those for band in bands) > 1}
        if not scenes:
            return None
    if not scenes:
        raise SpacerInputError(f"No raster has a name like '{template}' with one of the bands {', '.join(bands)}.")
    return [_scene(key, those, bands, clouds) for key, those in sorted(scenes.items())]


def _scene(key: tuple[str, ...], those: Mapping[str, DataLocation], bands: Sequence[str], clouds: str | None) -> Scene:
    if missing := [band for band in bands if band not in those]:
        there = next(iter(those.values()))
        raise SpacerInputError(f"The scene of '{there.display_name}' has no file of the band '{missing[0]}'.")
    first, *others = (those[band] for band in bands)
    return Scene(first, source_name(f"{'-'.join(key[1:]).strip('-_. ')}."), tuple(others), those.get(clouds or ""))


def _scene_key(loc: DataLocation, filename: str, band: str, template: str | None) -> tuple[str, ...] | None:
    """What files of one scene have in common, the folder first; None: the file is not of this band."""
    folder = loc.key[: len(loc.key) - len(filename)] if loc.key.endswith(filename) else ""
    if template is None:
        parts = parts_around(band, filename)
        return None if parts is None else (folder, *parts)
    pattern = re.escape(template).replace(r"\{band\}", re.escape(band)).replace(r"\*", "(.*)").replace(r"\?", ".")
    found = re.fullmatch(f"(?i){pattern}", filename)
    return None if found is None else ("", *found.groups())


def scene_raster(members: Sequence[Raster], names: Sequence[str]) -> Raster:
    """What a scene says of itself: the finest of its rasters, with the bands of all.

    Args:
        names: of the bands.

    Raises:
        SpacerInputError: the rasters do not belong together, by their projections and extents.
    """
    finest = min(members, key=_pixel_area)
    for member in members:
        if member.crs != finest.crs:
            raise SpacerInputError(_apart(member, finest, "they are in different projections"))
        if _extent_apart(member, finest) > _APART:
            raise SpacerInputError(_apart(member, finest, "their extents differ"))
    return replace(
        finest,
        dtypes=tuple(member.dtypes[0] for member in members),
        band_names=tuple(names),
        colours=("undefined",) * len(members),
        date=max(member.date for member in members),
    )


def _pixel_area(raster: Raster) -> float:
    return float(abs(raster.transform.determinant))


def _extent_apart(member: Raster, finest: Raster) -> float:
    """How far the corners of two rasters lie apart, in pixels of the first."""
    if finest.crs is None:
        return 0.0 if (member.width, member.height) == (finest.width, finest.height) else float("inf")
    mapped = ~member.transform * finest.transform
    corners = [(0, 0), (1, 0), (0, 1), (1, 1)]
    ends = [(mapped * (x * finest.width, y * finest.height), (x * member.width, y * member.height)) for x, y in corners]
    return max(float(abs(one - other)) for found, own in ends for one, other in zip(found, own, strict=True))


def _apart(member: Raster, finest: Raster, reason: str) -> str:
    return f"The files '{member.name}' and '{finest.name}' are no bands of one scene: {reason}."

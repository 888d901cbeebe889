"""The task that cuts one raster into chips."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from logging import getLogger
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from typing_extensions import Self

from spacer_like.chips.cutting.cog import read_cog
from spacer_like.chips.cutting.tile_picture import TilePicture, colours_of, sampled_values, value_range
from spacer_like.chips.messages.rasters import CutRasterMsg, CutRasterReturnMsg, RasterChippingMsg, RasterWay
from spacer_like.chips.rasters.chip_files import check_format, chip_file
from spacer_like.chips.rasters.manifest import RasterHeader, RasterManifest, chip_rows, read_raster_manifest
from spacer_like.chips.rasters.pixels import ChipPixels, LatticePixels, Values, lattice_pixels
from spacer_like.chips.rasters.places import Lattice, Place, lattices_of, transform_of
from spacer_like.chips.rasters.raster import Raster, bands_of, source_name
from spacer_like.chips.rasters.warping import Member, scale_of
from spacer_like.chips.rasters.whole_blocks import WholeBlocks, whole_blocks
from spacer_like.chips.tasks.opened_raster import check_rasters, files_beside, opened_scene
from spacer_like.chips.tasks.opened_tile import version_of, without_secrets
from spacer_like.exceptions import DataNotFoundError, TableError
from spacer_like.location import DataLocation
from spacer_like.overwriting import check_also_written, task
from spacer_like.progress import report
from spacer_like.storage import delete, exists, read_bytes, storage_factory, write_bytes
from spacer_like.storage.ranges import RangesReader

if TYPE_CHECKING:
    from numpy.typing import NDArray

logger = getLogger(__name__)

BLOWN_UP = 0.8
"""Chips whose pixels are less than this share of the raster's wide are blown-up pixels."""


@task
def cut_raster(msg: CutRasterMsg) -> CutRasterReturnMsg:
    """Cut a raster into chips.

    Chips are written as they are made, the manifest last: without it, the raster is not cut. An earlier manifest goes
    before the first chip; chips that it lists and this one does not are removed.

    Raises:
        DataNotFoundError: there is no such raster.
        SpacerInputError: it has no such bands, or its chips are of another kind than files of the format can hold; it
            does not say where it lies, or covers no place or too many.
        TileError: GDAL cannot read it.
        MissingExtraError: packages of the extra `geo` are not installed.
    """
    start = time.perf_counter()
    band_locs = msg.band_locs or []
    check_rasters([msg.raster_loc, *band_locs])
    version = _version(msg)
    with opened_scene(msg.raster_loc, band_locs, msg.bands or ()) as (members, raster):
        cutting = _Cutting(msg, members, raster)
        header = cutting.header(version)
        earlier = _take_back(msg)
        storage = storage_factory(msg.chips_loc.storage_type, msg.chips_loc.bucket_name)
        folder = msg.chips_loc.below("").key
        storage.write_many((f"{folder}{name}", [data]) for name, data in cutting.files())
        for name in sorted(earlier - cutting.made):
            storage.delete(f"{folder}{name}")
        manifest = RasterManifest(replace(header, n_empty=cutting.n_empty), chip_rows(cutting.rows))
        write_bytes(msg.manifest_loc, manifest.to_parquet())
    return CutRasterReturnMsg(
        source=header.source,
        way=cutting.way,
        zoom=cutting.lattices[0].zoom,
        scale=cutting.scale,
        bands=list(header.bands),
        value_range=header.value_range,
        n_chips=len(cutting.made),
        **{f"n_{name}": count for name, count in manifest.counts().items()},
        n_bytes=cutting.n_bytes,
        runtime=time.perf_counter() - start,
    )


class _Frame(NamedTuple):
    """Where a lattice lies.

    Fields:
        crs_text: of the manifest.
        transform: the numbers a to f from its pixels to `crs`.
    """

    size: int
    crs: Any
    crs_text: str | None
    transform: tuple[float, ...]

    @classmethod
    def of(cls, lattice: Lattice, raster: Raster) -> Self:
        crs = raster.crs if lattice.epsg is None else f"EPSG:{lattice.epsg}"
        transform = tuple(float(number) for number in transform_of(lattice, raster)[:6])
        return cls(lattice.size, crs, _crs_text(crs), transform)

    def transform_at(self, place: Place) -> tuple[float, ...]:
        """From the pixels of a place's chip to `crs`."""
        a, b, c, d, e, f = self.transform
        return a, b, a * place.column + b * place.row + c, d, e, d * place.column + e * place.row + f

    def bounds(self, place: Place) -> dict[str, Any]:
        """The part of a manifest's row that says where a chip lies."""
        transform, size = self.transform_at(place), self.size
        a, b, c, d, e, f = transform
        xs, ys = (
            (c, a * size + c, b * size + c, (a + b) * size + c),
            (f, d * size + f, e * size + f, (d + e) * size + f),
        )
        sides = {"west": min(xs), "south": min(ys), "east": max(xs), "north": max(ys)}
        return {"width": size, "height": size, **sides, "transform": list(transform)}


class _Cutting:
    """A raster that is being cut.

    Attributes:
        rows: of the manifest, so far.
        n_empty: number of places that have none, without data.
        made: the names of the chips that were made.
    """

    def __init__(self, msg: CutRasterMsg, members: Sequence[Member], raster: Raster) -> None:
        self.msg, self.members, self.raster = msg, members, raster
        self.values = values_of(msg, members)
        self.lattices = [
            _with_places(lattice, msg) for lattice in lattices_of(raster, msg.grid, msg.size, msg.zoom, msg.stride)
        ]
        self.source = msg.source or source_name(without_secrets(msg.raster_loc).filename)
        self.scale = scale_of(raster, self.lattices[0])
        self.way: Any = "windows"
        self.rows: list[dict[str, Any]] = []
        self.made: set[str] = set()
        self.n_bytes = self.n_empty = 0
        check_also_written(msg, [msg.chips_loc.below(self._name(one)) for grid in self.lattices for one in grid.places])

    def header(self, version: str) -> RasterHeader:
        bands = self.values.bands or ()
        nodata = self._nodata()
        return RasterHeader(
            raster_loc=without_secrets(self.msg.raster_loc),
            raster_version=version,
            chips_loc=self.msg.chips_loc,
            source=self.source,
            date=self.raster.date,
            bands=bands,
            band_names=tuple(self.raster.band_names[band - 1] for band in bands),
            value_range=self.values.value_range,
            request=request_of(self.msg),
            # Values that are not finite are none in any case.
            nodata=nodata if nodata is not None and math.isfinite(nodata) else None,
        )

    def files(self) -> Iterator[tuple[str, bytes]]:
        """The name and the bytes of each wanted chip, as they are made."""
        n_places = sum(len(lattice.places) for lattice in self.lattices)
        for lattice in self.lattices:
            with lattice_pixels(self.members, self.raster, lattice, self.values) as pixels:
                check_format(self.msg.format, pixels.n_bands, pixels.dtype, self.raster.name)
                for made in self._of_lattice(lattice, pixels):
                    if made is not None:
                        yield made
                    n_seen = len(self.rows) + self.n_empty
                    if n_seen % 64 == 0:
                        report(f"chips of {self.raster.name}", n_seen, n_places)
        report(f"chips of {self.raster.name}", n_places, n_places)
        order = {place.name: index for index, place in enumerate(one for grid in self.lattices for one in grid.places)}
        self.rows.sort(key=lambda row: order[row["place"]])

    def _of_lattice(self, lattice: Lattice, pixels: LatticePixels) -> Iterator[tuple[str, bytes] | None]:
        """Each wanted chip of a lattice, None where a place has none."""
        n_pixels = lattice.size**2
        least = {"all_data": n_pixels, "no_data": 0}.get(self.msg.wanted, 1)
        frame = _Frame.of(lattice, self.raster)
        copied = self._copied(lattice, pixels)
        self.way = pixels.way if copied is None else "passthrough"
        if copied is not None:
            loc = self.msg.raster_loc
            storage = storage_factory(loc.storage_type, loc.bucket_name)
            blocks = RangesReader(copied.ranges, lambda at: storage.read_range(loc.key, at.offset, at.length))
            for index, place in enumerate(copied.places):
                yield self._added(frame, pixels, place, n_pixels, "passthrough", copied.jpeg(blocks[index]))
        done = frozenset(copied.places) if copied is not None else frozenset()
        for chip in pixels.chips([place for place in lattice.places if place not in done]):
            data = self._encoded(frame, chip) if chip.n_valid >= least else None
            yield self._added(frame, pixels, chip.place, chip.n_valid, pixels.way, data)

    def _copied(self, lattice: Lattice, pixels: LatticePixels) -> WholeBlocks | None:
        """The places whose chips are blocks of the raster as they are, where the request changes nothing of them."""
        msg = self.msg
        plain = msg.format == "jpg" and msg.quality is None and msg.bands is None and msg.value_range is None
        if not plain or pixels.way != "windows" or self.members[0].dataset.driver != "GTiff":
            return None
        storage = storage_factory(msg.raster_loc.storage_type, msg.raster_loc.bucket_name)
        key = msg.raster_loc.key
        cog = read_cog(partial(storage.read_range, key), storage.size(key), self.raster.name)
        return whole_blocks(cog, lattice, pixels.corner)

    def _encoded(self, frame: _Frame, chip: ChipPixels) -> bytes:
        transform = frame.transform_at(chip.place)
        return chip_file(chip.pixels, self.msg.format, self.msg.quality, frame.crs, transform, self._nodata())

    def _nodata(self) -> float | None:
        return self.raster.nodata if self.msg.dtype == "source" else None

    def _added(
        self, frame: _Frame, pixels: LatticePixels, place: Place, n_valid: int, way: RasterWay, data: bytes | None
    ) -> tuple[str, bytes] | None:
        """Note a place in the manifest; the name and the bytes of its chip."""
        if data is None and not n_valid:
            self.n_empty += 1
            return None
        name = self._name(place)
        n_pixels = frame.size**2
        corner = None if pixels.way == "warp" else (place.column + pixels.corner[0], place.row + pixels.corner[1])
        self.rows.append(
            {
                "chip": name,
                "place": place.name,
                "column": None if corner is None else corner[0],
                "row": None if corner is None else corner[1],
                "crs": frame.crs_text,
                **frame.bounds(place),
                "nodata_class": _class_of(n_valid, n_pixels),
                "valid_fraction": n_valid / n_pixels,
                "way": None if data is None else way,
                "scale": self.scale,
                "n_bytes": None if data is None else len(data),
            }
        )
        if data is None:
            return None
        self.made.add(name)
        self.n_bytes += len(data)
        return name, data

    def _name(self, place: Place) -> str:
        return f"{place.name}_{self.source}.{self.msg.format}"


def values_of(msg: RasterChippingMsg, members: Sequence[Member]) -> Values:
    """The bands and values that a request wants of a raster, or of the files of a scene's bands; without a range of
    values, that of this raster.

    Raises:
        SpacerInputError: it has no such bands.
        TileError: its pixels cannot be read, or are no picture.
    """
    as_they_are = msg.dtype == "source"
    dataset, raster, _ = members[0]
    named = tuple(range(1, len(members) + 1)) if len(members) > 1 else None
    if named is None:
        named = None if msg.bands is None else bands_of(raster, msg.bands)
        colours = colours_of(dataset, raster.name, named)
        if as_they_are and named is None and colours.table is None:
            # All of them: who wants values as they are wants no picture.
            named = tuple(band for band, colour in enumerate(raster.colours, 1) if colour != "alpha")
        named = named or colours.bands
    span: tuple[float, float] | None = None
    if msg.value_range is not None:
        span = float(msg.value_range[0]), float(msg.value_range[1])
    elif not as_they_are:
        sampled = values_in(members, named)
        span = value_range(sampled) if len(sampled) else None
    return Values(bands=named, value_range=span, as_they_are=as_they_are, resampling=msg.resampling)


def values_in(members: Sequence[Member], bands: tuple[int, ...] | None) -> NDArray[np.float64]:
    """Values of a raster's bands, or of a scene's, for a range of values; none where they are bytes: float64 [n]."""
    found = [np.empty(0)]
    for dataset, raster, _ in members:
        colours = colours_of(dataset, raster.name, bands if len(members) == 1 else (1,))
        if colours.stretch is not None:
            found.append(sampled_values(TilePicture(dataset, None, colours, raster.name)))
    return np.concatenate(found)


def request_of(msg: CutRasterMsg) -> dict[str, Any]:
    """The fields of a request that its manifest keeps, as JSON values, and what two equal requests have in common."""
    left_out = {"raster_loc", "band_locs", "chips_loc", "manifest_loc"}
    fields: dict[str, Any] = msg.model_dump(mode="json", exclude=left_out)
    if msg.band_locs is not None:
        fields["band_locs"] = [without_secrets(loc).serialize() for loc in msg.band_locs]
    return fields


def is_cut(msg: CutRasterMsg) -> bool:
    """Whether a raster's manifest is there, of the same request and of the raster as it is now."""
    if not exists(msg.manifest_loc):
        return False
    try:
        manifest = read_raster_manifest(read_bytes(msg.manifest_loc), msg.manifest_loc.display_name)
    except (DataNotFoundError, TableError):
        return False
    header = manifest.header
    same = (
        without_secrets(msg.raster_loc),
        _version(msg),
        msg.chips_loc,
        request_of(msg),
    )
    if (header.raster_loc, header.raster_version, header.chips_loc, header.request) != same:
        return False
    return msg.chips_loc.storage_type != "filesystem" or _are_there(msg.chips_loc, manifest)


def _version(msg: CutRasterMsg) -> str:
    """A text that changes when a raster does, or what says where it lies."""
    locs = [msg.raster_loc, *(msg.band_locs or ())]
    return version_of(*locs, *(beside for loc in locs for beside in files_beside(loc)))


def _are_there(folder: DataLocation, manifest: RasterManifest) -> bool:
    """Whether each chip of a manifest is in a folder of this machine, with its number of bytes."""
    made = manifest.made()
    sizes = zip(made["chip"].to_pylist(), made["n_bytes"].to_pylist(), strict=True)
    try:
        return all(os.stat(os.path.join(folder.key, chip)).st_size == n_bytes for chip, n_bytes in sizes)
    except OSError:
        return False


def _take_back(msg: CutRasterMsg) -> set[str]:
    """Remove an earlier manifest; returns the names of the chips that it lists in the same folder."""
    if not exists(msg.manifest_loc):
        return set()
    listed: set[str] = set()
    try:
        manifest = read_raster_manifest(read_bytes(msg.manifest_loc), msg.manifest_loc.display_name)
        if manifest.header.chips_loc == msg.chips_loc:
            listed |= {name for name in manifest.made()["chip"].to_pylist() if "/" not in name and "\\" not in name}
    except (DataNotFoundError, TableError):
        logger.info("The manifest '%s' cannot be read and is removed.", msg.manifest_loc.display_name)
    delete(msg.manifest_loc)
    return listed


def _with_places(lattice: Lattice, msg: CutRasterMsg) -> Lattice:
    if msg.places is None:
        return lattice
    wanted = set(msg.places)
    return replace(lattice, places=tuple(place for place in lattice.places if place.name in wanted))


def _class_of(n_valid: int, n_pixels: int) -> str:
    return "all_data" if n_valid == n_pixels else "partial_data" if n_valid else "no_data"


def _crs_text(crs: Any) -> str | None:
    if crs is None or isinstance(crs, str):
        return crs
    authority = crs.to_authority()
    return ":".join(authority) if authority else str(crs.to_wkt())

"""Messages about the chips of any raster."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator
from typing_extensions import Doc, Self

from spacer_like.chips.messages.tiles import ChipsLocation, FailedTile
from spacer_like.location import DataLocation
from spacer_like.message_base import (
    Answered,
    ByKeyword,
    Folder,
    Location,
    Message,
    ReturnMessage,
    Runtime,
    TextLike,
    WritableFolder,
    WritableLocation,
)

RasterWay = Literal["passthrough", "windows", "warp"]
RasterSource = Annotated[
    StrictStr,
    TextLike(
        r"^[A-Za-z0-9][A-Za-z0-9.-]{0,99}$",
        "1 to 100 letters, digits, dots and hyphens, a letter or digit first",
    ),
]
BandName = Annotated[StrictStr, Field(min_length=1, max_length=100)]
RastersLocation = Annotated[
    Location, Folder(r"(?i).*\.(tiff?|jp2|img|ntf)"), Doc("a raster, or a folder of rasters, at any depth.")
]
_Value = Annotated[StrictFloat | StrictInt, Field(ge=-1e15, le=1e15)]


def _check_order(span: list[float]) -> list[float]:
    if span[0] >= span[1]:
        raise ValueError("it must be a smaller and a larger value")
    return span


_CloudValue = Annotated[StrictInt, Field(ge=-(2**31), lt=2**31)]
_ValueRange = Annotated[list[_Value], Field(min_length=2, max_length=2), AfterValidator(_check_order)]


class RasterChippingMsg(Message, metaclass=ByKeyword):
    """How rasters become chips: the fields that all requests for chips of rasters share.

    Fields:
        grid: whose places become chips. ``ard``: the cells of a UTM zone, named by quadkeys; ``xyz``: those of Web
            Mercator; ``pixels``: windows of the raster's own pixels, which needs no georeference.
        zoom: zoom level of the places of ``ard``, 12 to 26, and ``xyz``, 0 to 26. None: the one whose chips have
            pixels as large as the raster's, or nearly.
        size: width and height of chips in pixels.
        stride: with ``pixels``, from one window to the next; None: `size`.
        bands: the bands that become those of the chips, by number from 1, by name, or as ``red``, ``green``, ``blue``,
            ``nir``; None: red, green and blue where the raster calls bands so, else its first three, or its only one.
        value_range: the values that become 0 and 255; None: none of 8-bit rasters, else the 0.5th and the 99.5th
            percentile, of all rasters of the request together.
        dtype: ``uint8``; or ``source``: values stay as they are in the raster.
        format: of the files: ``jpg``, ``png``, ``webp``, ``tif`` (GeoTIFF) or ``npy`` (array [height, width, bands]).
            The first three take 1 or 3 bands of bytes, PNG also 1 band of 16 bits.
        quality: of JPEG and WebP, 1 to 100; None: that of the raster where its blocks are copied, else 75.
        resampling: how rasters are brought to the pixels of a grid; palettes always ``nearest``.
        wanted: which chips are made. ``all_data``: only those full of data; ``partial_data``: also those with some
            data; ``no_data``: all.
    """

    grid: Literal["ard", "xyz", "pixels"] = "ard"
    zoom: Annotated[StrictInt, Field(ge=0, le=26)] | None = None
    size: Annotated[StrictInt, Field(ge=8, le=4096)] = 256
    stride: Annotated[StrictInt, Field(ge=1, le=2**20)] | None = None
    bands: Annotated[list[BandName], Field(min_length=1, max_length=1000)] | None = None
    value_range: _ValueRange | None = None
    dtype: Literal["uint8", "source"] = "uint8"
    format: Literal["jpg", "png", "webp", "tif", "npy"] = "jpg"
    quality: Annotated[StrictInt, Field(ge=1, le=100)] | None = None
    resampling: Literal["nearest", "bilinear", "cubic", "average"] = "bilinear"
    wanted: Literal["all_data", "partial_data", "no_data"] = "partial_data"

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.stride is not None and self.grid != "pixels":
            raise ValueError("stride is of the grid pixels only")
        if self.zoom is not None and (self.grid == "pixels" or (self.grid == "ard" and self.zoom < 12)):
            raise ValueError("zoom is 12 to 26 of the grid ard, 0 to 26 of xyz, and not of pixels")
        if self.value_range is not None and self.dtype == "source":
            raise ValueError("value_range is not for the dtype source, whose values stay as they are")
        if self.dtype == "source" and self.format in ("jpg", "webp"):
            raise ValueError(f"{self.format} files have bytes only: with the dtype source, format is png, tif or npy")
        return self


class CutRasterMsg(RasterChippingMsg, Answered["CutRasterReturnMsg"]):
    """Cut one raster into chips ``<place>_<source>.<format>``, and list them in a manifest.

    Places are called ``Z33-031111212322`` in the grid ``ard`` (zone and quadkey), ``M14-8800-5373`` in ``xyz`` (zoom,
    column and row) and ``P512-0`` in ``pixels`` (column and row of the window).

    Fields:
        raster_loc: the raster, of a format that keeps all in one file: GeoTIFF, JPEG 2000, PNG, JPEG and others.
        chips_loc: the folder that the chips go into.
        manifest_loc: where the manifest goes, Parquet: a row for each place that the raster covers.
        band_locs: where the bands of a scene are files of their own, those of all but its first, which is `raster_loc`;
            of each the first band is taken, brought to the pixels of the finest, and `bands` are their names. None:
            `raster_loc` has all bands.
        source: the raster's name in the names of chips; None: its file's, with hyphens for what is no letter or digit.
        places: the only places that are cut; None: all that the raster covers.
    """

    task: ClassVar[str] = "cut_raster"

    raster_loc: Location
    chips_loc: WritableFolder
    manifest_loc: WritableLocation
    band_locs: Annotated[list[Location], Field(min_length=1, max_length=1000)] | None = None
    source: RasterSource | None = None
    places: list[Annotated[StrictStr, Field(min_length=1, max_length=60)]] | None = None

    @model_validator(mode="after")
    def _check_bands(self) -> Self:
        if self.band_locs is not None and len(self.bands or ()) != len(self.band_locs) + 1:
            raise ValueError("band_locs are of scenes whose bands are named, one more than there are band_locs")
        return self

    @classmethod
    def example(cls) -> Self:
        return cls(
            raster_loc=DataLocation("memory", "scenes/T33TUL_20260611_B04.jp2"),
            chips_loc=DataLocation("memory", "chips"),
            manifest_loc=DataLocation("memory", "chips/manifests/T33TUL-20260611.parquet"),
            bands=["B04", "B03", "B02"],
            band_locs=[DataLocation("memory", f"scenes/T33TUL_20260611_{band}.jp2") for band in ("B03", "B02")],
            value_range=[0, 3000],
        )


class CutRasterReturnMsg(ReturnMessage):
    """Counts of a raster's chips, and how they were made.

    Fields:
        source: the raster's name in the names of chips.
        way: how the chips were made: ``passthrough`` (blocks of the file as they are), ``windows`` (pixels of the
            raster) or ``warp`` (resampled to the grid).
        zoom: of the places; None: windows of pixels.
        scale: width of a chip's pixel in pixels of the raster; less than 1: chips are blown-up pixels.
        bands: numbers of the bands that were cut, from 1.
        value_range: the values that became 0 and 255; None: they were kept.
        n_chips: number of chips made.
        n_all_data: number of places that the raster fills, made or not.
        n_partial_data: number of places with some data, made or not.
        n_no_data: number of places without data, made or not.
        n_bytes: bytes of all chips made.
    """

    source: str
    way: RasterWay
    zoom: int | None
    scale: float
    bands: list[int]
    value_range: tuple[float, float] | None
    n_chips: int
    n_all_data: int
    n_partial_data: int
    n_no_data: int
    n_bytes: int
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(
            source="T33TUL-20260611",
            way="warp",
            zoom=13,
            scale=0.98,
            bands=[4, 3, 2],
            value_range=(0.0, 3000.0),
            n_chips=1764,
            n_all_data=1680,
            n_partial_data=84,
            n_no_data=85,
            n_bytes=31_000_000,
            runtime=9.5,
        )


class CutRastersMsg(RasterChippingMsg, Answered["CutRastersReturnMsg"]):
    """Cut rasters into chips, which share one range of values.

    A raster whose manifest is there, of the same request and the same raster, is not cut again.

    Fields:
        raster_locs: rasters, folders of them (``.tif``, ``.tiff``, ``.jp2``, ``.img`` and ``.ntf``, at any depth), and
            STAC items, catalogs or search results (``.json``), whose assets are the rasters.
        assets: names of the assets that are taken of each STAC item, each as a raster of its own; None: its only
            raster, or the one named ``visual``.
        band_files: of scenes whose bands are files of their own, what these are called: ``{band}`` stands for the name
            of a band in `bands`, ``*``, once or twice, for what tells scenes apart, ``?`` for any character, as in
            ``*_{band}_?0m.jp2`` (the first by name where a band has several). None: files of a folder are one scene
            where their names differ in the band alone, and assets of a STAC item that are called like the bands.
        chips_loc: the folder that the chips go into; the manifests go into its folder ``manifests``.
        overlap: what becomes of a place that several rasters cover. ``all``: a chip of each; ``newest``: one of the
            raster of the latest date (by its metadata, else the date in its name) among those that fill the place
            most; ``best``: one of the raster that has most data there that is no cloud. Not with ``pixels``.
        stac: whether the chips are described by STAC as well: ``collection.json`` and ``items.json`` in `chips_loc`.
        clouds: with ``best``, the band that says where clouds are, by number or name, also where it is a file of its
            own; or the name of a file beside each raster, ``*`` for the raster's without its ending, as in
            ``*_clouds.tif``; None: nothing does.
        cloud_values: the values of that band that are clouds; None: all but 0.
    """

    task: ClassVar[str] = "cut_rasters"

    raster_locs: Annotated[list[RastersLocation], Field(min_length=1)]
    chips_loc: WritableFolder
    assets: Annotated[list[BandName], Field(min_length=1, max_length=1000)] | None = None
    band_files: Annotated[StrictStr, Field(min_length=1, max_length=200)] | None = None
    stac: StrictBool = False
    overlap: Literal["all", "newest", "best"] = "all"
    clouds: BandName | None = None
    cloud_values: (
        Annotated[list[Annotated[StrictInt, Field(ge=-(2**31), lt=2**31)]], Field(min_length=1, max_length=1000)] | None
    ) = None

    @model_validator(mode="after")
    def _check_overlap(self) -> Self:
        if self.overlap != "all" and self.grid == "pixels":
            raise ValueError("overlap is of the grids ard and xyz: windows of pixels are of one raster")
        if self.clouds is not None and self.overlap != "best":
            raise ValueError("clouds are asked for with the overlap best only")
        name = self.band_files
        if name is not None and ("{band}" not in name or "/" in name or name.count("*") > 2):
            raise ValueError("band_files must have the word band in curly brackets, at most two stars, and no folder")
        if self.band_files is not None and self.bands is None:
            raise ValueError("band_files need the names of the bands: give bands")
        if self.cloud_values is not None and self.clouds is None:
            raise ValueError("cloud_values need the band: give clouds")
        return self

    @classmethod
    def example(cls) -> Self:
        return cls(raster_locs=[DataLocation("memory", "scenes")], chips_loc=DataLocation("memory", "chips"))


class CutRastersReturnMsg(ReturnMessage):
    """Counts of rasters and their chips.

    Fields:
        n_rasters: number of rasters found.
        n_skipped: number of rasters that had been cut before.
        n_chips: number of chips made in this run.
        n_blown_up: number of rasters whose chips have pixels that are less than 0.8 of the raster's wide.
        value_range: the values that became 0 and 255; None: they were kept.
        failed: the rasters that could not be cut, with the reasons.
    """

    n_rasters: int
    n_skipped: int
    n_chips: int
    n_blown_up: int
    value_range: tuple[float, float] | None
    failed: list[FailedTile]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(
            n_rasters=3,
            n_skipped=1,
            n_chips=3500,
            n_blown_up=0,
            value_range=(12.0, 3150.0),
            failed=[FailedTile(tile="scenes/broken.tif", reason="The raster is cut short.")],
            runtime=20.5,
        )


class MapScoresMsg(Message, Answered["MapScoresReturnMsg"]):
    """Draw a table of chips' labels or probabilities as maps, GeoTIFF: a pixel for each chip's place.

    Windows of pixels give a map of each raster in its projection, where windows overlap of their means; places of a
    grid give one map for each projection of the grid.

    Fields:
        table_loc: CSV or Parquet: Feature (the chip's name), and a column of numbers for each label.
        chips_loc: a manifest (``.parquet``) of a tile's or a raster's chips, or a folder of manifests.
        maps_loc: the folder that the maps go into, ``<source>.tif`` or ``EPSG-<code>.tif``: a band of 32-bit floating
            point for each label, NaN where there is no chip.
        labels: the columns that become bands; None: all.
    """

    task: ClassVar[str] = "map_scores"

    table_loc: Location
    chips_loc: ChipsLocation
    maps_loc: WritableFolder
    labels: Annotated[list[BandName], Field(min_length=1, max_length=1000)] | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            table_loc=DataLocation("memory", "labels/predicted.parquet"),
            chips_loc=DataLocation("memory", "chips"),
            maps_loc=DataLocation("memory", "maps"),
        )


class MapScoresReturnMsg(ReturnMessage):
    """The maps that were made.

    Fields:
        maps: names of the files in the folder.
        labels: of the bands.
        n_chips: number of chips that are on a map.
        n_unplaced: number of rows of the table whose chip no manifest names.
    """

    maps: list[str]
    labels: list[str]
    n_chips: int
    n_unplaced: int
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(maps=["EPSG-32633.tif"], labels=["road", "water"], n_chips=1764, n_unplaced=0, runtime=0.4)

"""Messages about tiles and the chips that are cut out of them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictBool, StrictInt, StrictStr
from typing_extensions import Self

from spacer_like.chips.messages.fields import ChipName, ChipsLocation, TreeLocation, Way, Zone, Zoom
from spacer_like.location import DataLocation
from spacer_like.message_base import (
    Answered,
    ByKeyword,
    Location,
    Message,
    ReturnMessage,
    WritableFolder,
    WritableLocation,
)


class ChippingMsg(Message, metaclass=ByKeyword):
    """How tiles become chips: the fields that all requests for chips share.

    Fields:
        zoom: of the chips; at 17 a chip is 512 pixels wide, at z 2^(26 - z).
        size: width and height that chips are resized to, in pixels; None: as they are.
        quality: of the JPEG, 1 to 100; None: as it is where blocks pass through, else 75.
        way: ``passthrough``: JPEG blocks of the tile become chips as they are, undecoded; ``blocks``: blocks are
            decoded without GDAL and encoded anew; ``strips``: GDAL reads rows of chips. ``auto`` takes the first of
            these that the tile and the other fields allow. One that they do not allow is an error.
        wanted: chips that are made: ``all_data`` only, with ``partial_data``, or ``no_data`` too.
    """

    zoom: Zoom = 17
    size: Annotated[StrictInt, Field(ge=8, le=4096)] | None = None
    quality: Annotated[StrictInt, Field(ge=1, le=100)] | None = None
    way: Literal["auto", "passthrough", "blocks", "strips"] = "auto"
    wanted: Literal["all_data", "partial_data", "no_data"] = "partial_data"


class ChipTileMsg(ChippingMsg, Answered["ChipTileReturnMsg"]):
    """Cut one tile into chips ``Z<zone>-<quadkey>_<acquisition>.jpg``, and write down which.

    Fields:
        tile_loc: a GeoTIFF; ``<zone>/<quadkey>/<date>/<acquisition>-visual.tif`` names what the next three do.
        manifest_loc: the manifest, Parquet: a row a chip of the cell, those without data included.
        chips_loc: the folder of the chips, which go into its folder ``<zone>``. None: no chip is written, and the
            manifest says where in the tile each one's bytes are; only with ``passthrough``.
        zone, quadkey, acquisition: of the tile; None: as its path says.
    """

    task: ClassVar[str] = "chip_tile"

    tile_loc: Location
    manifest_loc: WritableLocation
    chips_loc: WritableFolder | None = None
    zone: Zone | None = None
    quadkey: Annotated[StrictStr, Field(pattern=r"^[0-3]{1,12}$")] | None = None
    acquisition: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,99}$")] | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            tile_loc=DataLocation("memory", "ard/33/031111212322/2015-05-28/1050410012C31100-visual.tif"),
            manifest_loc=DataLocation("memory", "chips/33/manifests/Z33-031111212322_1050410012C31100_zoom17.parquet"),
            chips_loc=DataLocation("memory", "chips"),
        )


class ChipTileReturnMsg(ReturnMessage):
    """What became of a tile.

    Fields:
        way: how its chips were made, and `reason` why not in a faster way.
        n_chips: chips made; n_all_data, n_partial_data, n_no_data: chips of the cell by class, made or not.
        n_bytes: of all chips made.
    """

    zone: int
    quadkey: str
    acquisition: str
    way: Way
    reason: str | None
    n_chips: int
    n_all_data: int
    n_partial_data: int
    n_no_data: int
    n_bytes: int
    runtime: float

    @classmethod
    def example(cls) -> Self:
        return cls(
            zone=33,
            quadkey="031111212322",
            acquisition="1050410012C31100",
            way="passthrough",
            reason=None,
            n_chips=600,
            n_all_data=560,
            n_partial_data=40,
            n_no_data=424,
            n_bytes=30_000_000,
            runtime=0.7,
        )


class ChipsFolderMsg(ChippingMsg, Answered["ChipsFolderReturnMsg"]):
    """Cut every tile of a tree ``<zone>/<quadkey>/<date>/<acquisition>-visual.tif`` into chips.

    A tile whose manifest is there, of the same request and the same tile, is not cut again.

    Fields:
        ard_loc: the root of the tree, on a filesystem or S3; or a single tile, which may be behind a URL and whose
            path says what a tree's paths do.
        chips_loc: the folder of chips; the manifests go into ``<zone>/manifests``.
        zones: the zones to cut; None: all.
        write_chips: False: only the manifests, as in `ChipTileMsg` without chips_loc.
        kind: which files of the tree: ``visual`` or ``pan``.
    """

    task: ClassVar[str] = "chips_folder"

    ard_loc: TreeLocation
    chips_loc: WritableFolder
    zones: list[Zone] | None = None
    write_chips: StrictBool = True
    kind: Literal["visual", "pan"] = "visual"

    @classmethod
    def example(cls) -> Self:
        return cls(ard_loc=DataLocation("memory", "ard"), chips_loc=DataLocation("memory", "chips"), zones=[33])


class FailedTile(ReturnMessage):
    """A tile that could not be cut, with the reason; `transient` if doing it again may succeed."""

    tile: str
    reason: str
    transient: StrictBool = False


class ChipsFolderReturnMsg(ReturnMessage):
    """What became of a tree of tiles; `n_skipped` tiles had been cut before."""

    n_tiles: int
    n_skipped: int
    n_chips: int
    failed: list[FailedTile]
    runtime: float

    @classmethod
    def example(cls) -> Self:
        failed = [FailedTile(tile="ard/33/031111212322/2015-05-28/x-visual.tif", reason="The tile is cut short.")]
        return cls(n_tiles=3, n_skipped=1, n_chips=1500, failed=failed, runtime=2.5)


class IndexNodataMsg(Message, Answered["IndexNodataReturnMsg"]):
    """Sort chips into those full of data, those with some, and those without.

    Fields:
        chips_loc: a manifest (``.parquet``), or a folder: of manifests, which are exact, or of chips, whose pixels are
            looked at.
        index_loc: JSON with the lists ``all_data``, ``partial_data`` and ``no_data`` of chip names.
        threshold: without a manifest a pixel is no-data when no band of it is above this.
    """

    task: ClassVar[str] = "index_nodata"

    chips_loc: ChipsLocation
    index_loc: WritableLocation
    threshold: Annotated[StrictInt, Field(ge=0, le=254)] = 8

    @classmethod
    def example(cls) -> Self:
        return cls(
            chips_loc=DataLocation("memory", "chips/33/manifests/"),
            index_loc=DataLocation("memory", "chips/33/nodata-index.json"),
        )


class UnreadableChip(ReturnMessage):
    """A chip that is no image, by its name, with the reason."""

    name: str
    reason: str


class IndexNodataReturnMsg(ReturnMessage):
    """How many chips are of which class; `exact` if masks said so, and not the colours of pixels."""

    n_all_data: int
    n_partial_data: int
    n_no_data: int
    exact: StrictBool
    unreadable: list[UnreadableChip]
    runtime: float

    @classmethod
    def example(cls) -> Self:
        return cls(n_all_data=560, n_partial_data=40, n_no_data=424, exact=True, unreadable=[], runtime=0.1)


class LocateChipMsg(Message, Answered["LocateChipReturnMsg"]):
    """Where a chip comes from: its tile, and the window in it.

    Fields:
        chip: its name, ``Z<zone>-<quadkey>_<acquisition>.jpg``, with or without folders and ending.
        ard_loc: the root of the tree of tiles.
    """

    task: ClassVar[str] = "locate_chip"

    chip: ChipName
    ard_loc: TreeLocation

    @classmethod
    def example(cls) -> Self:
        return cls(
            chip="Z33-03111121232201230_1050410012C31100.jpg",
            ard_loc=DataLocation("memory", "ard"),
        )


class LocateChipReturnMsg(ReturnMessage):
    """Where a chip comes from.

    Fields:
        tile: the URI of its tile, of the newest date; other_tiles: those of other dates.
        column, row, width, height: its window in the tile in pixels; a part may lie outside.
        bounds: west, south, east, north in metres of `epsg`.
        longitude, latitude: of its centre, in degrees of WGS84.
    """

    tile: str
    other_tiles: list[str]
    zone: int
    quadkey: str
    acquisition: str
    zoom: int
    column: int
    row: int
    width: int
    height: int
    bounds: tuple[float, float, float, float]
    epsg: int
    longitude: float
    latitude: float
    runtime: float

    @classmethod
    def example(cls) -> Self:
        return cls(
            tile="memory://ard/33/031111212322/2015-05-28/1050410012C31100-visual.tif",
            other_tiles=[],
            zone=33,
            quadkey="03111121232201230",
            acquisition="1050410012C31100",
            zoom=17,
            column=5632,
            row=2048,
            width=512,
            height=512,
            bounds=(281718.75, 4884375.0, 281875.0, 4884531.25),
            epsg=32633,
            longitude=12.28,
            latitude=44.08,
            runtime=0.1,
        )

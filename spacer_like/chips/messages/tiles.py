"""Messages about tiles and the chips that are cut out of them, and the field types that the family shares."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StrictBool, StrictInt, StrictStr
from typing_extensions import Doc, Self

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
    Unreadable,
    WritableFolder,
    WritableLocation,
)

ChipsLocation = Annotated[
    Location,
    Folder(r"(?i).*\.jpe?g|Z\d.*\.parquet"),
    Doc(
        "the chips: a folder of them, a manifest (``.parquet``) of chips that were written or are still in their tile, "
        "or a folder of such manifests."
    ),
]
TreeLocation = Annotated[
    Location,
    Folder(r"(?i).*\.tiff?|.*osm_data.*\.json|(node|way|relation)_tags\.json"),
    Doc("the root of the tree of tiles ``<zone>/<quadkey>/<date>/<acquisition>-visual.tif``."),
]
Zone = Annotated[StrictInt, Field(ge=1, le=60)]
Zoom = Annotated[StrictInt, Field(ge=12, le=22)]
Quadkey = Annotated[StrictStr, TextLike(r"^[0-3]{1,12}$", "a quadkey of 1 to 12 digits from 0 to 3")]
Acquisition = Annotated[
    StrictStr,
    TextLike(
        r"^[A-Za-z0-9][A-Za-z0-9.-]{0,99}$",
        "1 to 100 letters, digits, dots and hyphens, a letter or digit first",
    ),
]
Cell = Annotated[StrictStr, TextLike(r"^[0-3]{12}$", "a quadkey of 12 digits from 0 to 3")]
ChipName = Annotated[StrictStr, Field(min_length=1, max_length=300)]
Way = Literal["passthrough", "blocks", "strips"]


def example_extractor() -> dict[str, Any]:
    return {"class_path": "spacer_like.extractors.efficientnet_lite.EfficientNetLite0Extractor"}


class ChippingMsg(Message, metaclass=ByKeyword):
    """How tiles become chips: the fields that all requests for chips share.

    Fields:
        zoom: zoom level of the chips; at zoom z a chip is 2^(26 - z) pixels wide: 512 at 17.
        size: width and height in pixels that chips are resized to; None: they keep the width of their zoom.
        quality: JPEG quality of the chips, 1 to 100; None: that of the tile where its blocks are copied, else 75.
        way: how chips are made. ``passthrough``: the tile's JPEG blocks become chips as they are, undecoded;
            ``blocks``: blocks are decoded without GDAL and encoded anew; ``strips``: GDAL reads rows of chips;
            ``auto``: the first of these that the tile, `zoom`, `size` and `quality` allow. Another one than they
            allow is an error.
        wanted: which chips are made. ``all_data``: only those full of data; ``partial_data``: also those with some
            data; ``no_data``: all.
    """

    zoom: Zoom = 17
    size: Annotated[StrictInt, Field(ge=8, le=4096)] | None = None
    quality: Annotated[StrictInt, Field(ge=1, le=100)] | None = None
    way: Literal["auto", "passthrough", "blocks", "strips"] = "auto"
    wanted: Literal["all_data", "partial_data", "no_data"] = "partial_data"


class ChipTileMsg(ChippingMsg, Answered["ChipTileReturnMsg"]):
    """Cut one tile into chips ``Z<zone>-<quadkey>_<acquisition>.jpg``, and list them in a manifest.

    Fields:
        tile_loc: the tile, a GeoTIFF; a path ``<zone>/<quadkey>/<date>/<acquisition>-visual.tif`` also gives `zone`,
            `quadkey` and `acquisition`.
        manifest_loc: where the manifest goes, Parquet: a row for each chip of the grid square, those without data
            included.
        chips_loc: the folder that the chips go into, each below a folder named by the zone. None: no chip is written,
            and the manifest says where in the tile the bytes of each one are; only with ``passthrough``.
        zone: UTM zone of the tile, 1 to 60; None: as the tile's path says.
        quadkey: quadkey of the tile's grid square, 1 to 12 digits from 0 to 3; None: as the tile's path says.
        acquisition: id of the acquisition that the tile shows; None: as the tile's path says.
    """

    task: ClassVar[str] = "chip_tile"

    tile_loc: Location
    manifest_loc: WritableLocation
    chips_loc: WritableFolder | None = None
    zone: Zone | None = None
    quadkey: Quadkey | None = None
    acquisition: Acquisition | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            tile_loc=DataLocation("memory", "ard/33/031111212322/2015-05-28/1050410012C31100-visual.tif"),
            manifest_loc=DataLocation("memory", "chips/33/manifests/Z33-031111212322_1050410012C31100_zoom17.parquet"),
            chips_loc=DataLocation("memory", "chips"),
        )


class ChipTileReturnMsg(ReturnMessage):
    """Counts of a tile's chips, and how they were made.

    Fields:
        zone: UTM zone of the tile.
        quadkey: quadkey of the tile's grid square.
        acquisition: id of the acquisition that the tile shows.
        way: how the chips were made: ``passthrough``, ``blocks`` or ``strips``.
        reason: why they were not made in a faster way; None: they were made in the fastest.
        n_chips: number of chips made.
        n_all_data: number of chips of the grid square that are full of data, made or not.
        n_partial_data: number of chips of the grid square with some data, made or not.
        n_no_data: number of chips of the grid square without data, made or not.
        n_bytes: bytes of all chips made.
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
    runtime: Runtime

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
        ard_loc: the root of the tree, on a filesystem or S3; or a single tile, which may be behind a URL and whose path
            has the parts of a tree's paths.
        chips_loc: the folder that the chips go into; the manifests go into its folders ``<zone>/manifests``.
        zones: the UTM zones to cut, 1 to 60; None: all.
        write_chips: whether chips are written; false: only manifests, from which later steps read chips in their tiles.
        kind: which files of the tree are tiles: ``visual`` (``*-visual.tif``) or ``pan`` (``*-pan.tif``).
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
    """A tile that could not be cut.

    Fields:
        tile: the tile's path or URI.
        reason: why it could not be cut.
        transient: whether another attempt may succeed.
    """

    tile: str
    reason: str
    transient: StrictBool = False


class ChipsFolderReturnMsg(ReturnMessage):
    """Counts of tiles and chips of a tree.

    Fields:
        n_tiles: number of tiles found.
        n_skipped: number of tiles that had been cut before.
        n_chips: number of chips made in this run.
        failed: the tiles that could not be cut, with the reasons.
    """

    n_tiles: int
    n_skipped: int
    n_chips: int
    failed: list[FailedTile]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        failed = [FailedTile(tile="ard/33/031111212322/2015-05-28/x-visual.tif", reason="The tile is cut short.")]
        return cls(n_tiles=3, n_skipped=1, n_chips=1500, failed=failed, runtime=2.5)


class IndexNodataMsg(Message, Answered["IndexNodataReturnMsg"]):
    """Sort chips into those full of data, those with some, and those without.

    Fields:
        chips_loc: a manifest (``.parquet``); a folder of manifests, which are exact; or a folder of chips, whose pixels
            are examined.
        index_loc: where the three lists of chip names go: JSON with ``all_data``, ``partial_data`` and ``no_data``.
        threshold: without manifests, a pixel is no-data if none of its bands is above this value, 0 to 254.
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


class UnreadableChip(Unreadable):
    """A chip that is no image.

    Fields:
        name: the chip's name.
        reason: why it could not be read.
    """


UnreadableChips = Annotated[list[UnreadableChip], Doc("chips that could not be read, with the reasons.")]


class IndexNodataReturnMsg(ReturnMessage):
    """Number of chips of each class.

    Fields:
        n_all_data: number of chips full of data.
        n_partial_data: number of chips with some data.
        n_no_data: number of chips without data.
        exact: whether the classes come from the tiles' masks; false: from the colours of pixels.
    """

    n_all_data: int
    n_partial_data: int
    n_no_data: int
    exact: StrictBool
    unreadable: UnreadableChips
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(n_all_data=560, n_partial_data=40, n_no_data=424, exact=True, unreadable=[], runtime=0.1)


class LocateChipMsg(Message, Answered["LocateChipReturnMsg"]):
    """Find the tile that a chip was cut from, and the chip's window in it.

    Fields:
        chip: the chip's name, ``Z<zone>-<quadkey>_<acquisition>.jpg``, with or without folders and extension.
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
    """A chip's tile, window and coordinates.

    Fields:
        tile: URI of the chip's tile; of several dates the newest.
        other_tiles: URIs of the same tile on other dates.
        zone: UTM zone of the chip.
        quadkey: quadkey of the chip.
        acquisition: id of the acquisition that the chip shows.
        zoom: zoom level of the chip.
        column: first column of the chip's window in the tile, in pixels; a part of the window may lie outside the tile.
        row: first row of the chip's window in the tile, in pixels.
        width: width of the window in pixels.
        height: height of the window in pixels.
        bounds: west, south, east, north of the chip, in metres of the projection `epsg`.
        epsg: EPSG code of the chip's projection, UTM.
        longitude: longitude of the chip's centre, in degrees of WGS84.
        latitude: latitude of the chip's centre, in degrees of WGS84.
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
    runtime: Runtime

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

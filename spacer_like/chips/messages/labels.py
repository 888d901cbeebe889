"""Messages about labels from maps."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StrictBool, StrictInt, StrictStr
from typing_extensions import Self

from spacer_like.chips.messages.tiles import Cell, TreeLocation, Zone
from spacer_like.location import DataLocation
from spacer_like.message_base import (
    Answered,
    ByKeyword,
    Location,
    Message,
    ReturnMessage,
    Runtime,
    TextLike,
    WritableFolder,
    WritableLocation,
)

MOST_SECONDS = 3600
MOST_SERVER_BYTES = 2**32
"""What an Overpass server may be allowed at most."""
ServerUrl = Annotated[
    StrictStr, Field(max_length=2000), TextLike(r"^https?://", "a URL that begins with http:// or https://")
]
OVERPASS = "https://overpass-api.de/api/interpreter"


class FetchLabelsMsg(Message, Answered["FetchLabelsReturnMsg"]):
    """Fetch the tagged elements of OpenStreetMap in grid squares of zoom 12.

    Each square's go to ``<zone>/<quadkey>/osm_data.json`` below `ard_loc`, with ``node_tags.json``, ``way_tags.json``
    and ``relation_tags.json`` beside it. A square whose file is there is not fetched again.

    Fields:
        zone: UTM zone of the grid squares, 1 to 60.
        quadkeys: quadkeys of the grid squares, 12 digits from 0 to 3 each.
        ard_loc: the root of the tree of tiles, into which the files go.
        endpoint: URL of an Overpass server, which is asked for one grid square after the other.
        extract_loc: an ``.osm.pbf`` extract to read instead of asking a server; None: ask the server.
        keys: elements that have any of these keys are also written to ``primary_osm_data_filtered.json``; None: no such
            file.
        attempts: how often a grid square is asked for at most, where the server is busy or the connection ends early.
        timeout: seconds that the server may take for a query.
        max_bytes: bytes of memory that the server may use for a query.
        overwrite: whether grid squares that are there are fetched again.
    """

    task: ClassVar[str] = "fetch_labels"

    zone: Zone
    quadkeys: Annotated[list[Cell], Field(min_length=1, max_length=100_000)]
    ard_loc: WritableFolder
    endpoint: ServerUrl = OVERPASS
    extract_loc: Location | None = None
    keys: list[Annotated[StrictStr, Field(min_length=1, max_length=255)]] | None = None
    attempts: Annotated[StrictInt, Field(ge=1, le=100)] = 5
    timeout: Annotated[StrictInt, Field(ge=1, le=MOST_SECONDS)] = 180
    max_bytes: Annotated[StrictInt, Field(ge=2**20, le=MOST_SERVER_BYTES)] = 2**29
    overwrite: StrictBool = False

    @classmethod
    def example(cls) -> Self:
        return cls(zone=35, quadkeys=["013133103003"], ard_loc=DataLocation("memory", "ard"))


class FetchedCell(ReturnMessage):
    """Number of elements that were fetched for a grid square.

    Fields:
        quadkey: quadkey of the grid square.
        nodes: number of nodes.
        ways: number of ways.
        relations: number of relations.
        attempts: how often a server was asked; 0: an extract was read.
    """

    quadkey: str
    nodes: int
    ways: int
    relations: int
    attempts: int


class FailedCell(ReturnMessage):
    """A grid square whose map could not be used.

    Fields:
        cell: the grid square, ``Z<zone>-<quadkey>``.
        reason: why its map could not be used.
    """

    cell: str
    reason: str


class FetchLabelsReturnMsg(ReturnMessage, metaclass=ByKeyword):
    """The grid squares that were fetched, those that were there before, and those that failed.

    Fields:
        fetched: what was fetched, for each grid square.
        skipped: quadkeys of the grid squares that were there before.
        failed: grid squares that could not be fetched, with the reasons.
    """

    fetched: list[FetchedCell]
    skipped: list[str]
    failed: list[FailedCell] = Field(default_factory=list)
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        cell = FetchedCell(quadkey="013133103003", nodes=20_000, ways=30_000, relations=1000, attempts=1)
        return cls(fetched=[cell], skipped=[], runtime=20.0)


class BuildLabelTableMsg(Message, Answered["BuildLabelTableReturnMsg"]):
    """Join the elements of maps with chips: a table of labels for each chip.

    Fields:
        index_loc: the lists of chips by class that `index_nodata` writes.
        ard_loc: the root of the tree of tiles, with the ``osm_data.json`` of each grid square.
        labels_loc: the labels, JSON ``{label: {key: [values]}}``; a value matches exactly, ``*`` matches every value.
        sparse_locs: where the table that models learn from goes, CSV or Parquet: Feature (the chip's name), and a
            column of 0 and 1 for each label.
        dense_locs: where the same goes with all labels of a chip in one column: Feature, Labels (``a|b|c``); CSV or
            Parquet.
        records_locs: where a row for each chip's square, element and tag that makes a label goes, CSV or Parquet:
            TileQuadkey, ElementType, ElementId, PrimaryKey, KeyValue, Zone.
        partial_data: whether chips with some data are included; false: only those full of data.
    """

    task: ClassVar[str] = "build_label_table"

    index_loc: Location
    ard_loc: TreeLocation
    labels_loc: Location
    sparse_locs: Annotated[list[WritableLocation], Field(min_length=1)]
    dense_locs: list[WritableLocation] = Field(default_factory=list)
    records_locs: list[WritableLocation] = Field(default_factory=list)
    partial_data: StrictBool = False

    @classmethod
    def example(cls) -> Self:
        return cls(
            index_loc=DataLocation("memory", "chips/33/nodata-index.json"),
            ard_loc=DataLocation("memory", "ard"),
            labels_loc=DataLocation("memory", "labels.json"),
            sparse_locs=[DataLocation("memory", "labels/sparse.parquet")],
        )


class BuildLabelTableReturnMsg(ReturnMessage, metaclass=ByKeyword):
    """Counts of the table's rows and labels.

    Fields:
        n_chips: number of rows, one for each chip.
        n_without_label: number of rows that have no label.
        counts: number of chips that have each label, by label.
        cells_without_map: grid squares ``Z<zone>-<quadkey>`` without ``osm_data.json``, whose chips are left out.
        damaged_maps: grid squares whose ``osm_data.json`` is damaged, with the reasons; their chips are left out.
        n_elements: number of elements that match a label.
        n_without_geometry: number of those elements without usable geometry, which label no chip.
    """

    n_chips: int
    n_without_label: int
    counts: dict[str, int]
    cells_without_map: list[str]
    damaged_maps: list[FailedCell] = Field(default_factory=list)
    n_elements: int
    n_without_geometry: int
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(
            n_chips=560,
            n_without_label=100,
            counts={"building": 300, "water": 40},
            cells_without_map=[],
            n_elements=5000,
            n_without_geometry=12,
            runtime=1.0,
        )


class PlotLabelsMsg(Message, Answered["PlotLabelsReturnMsg"]):
    """Draw a label table; the extension of a picture's name says its format.

    Fields:
        table_loc: a table of 0 and 1 of `build_label_table`.
        distribution_loc: where a picture goes of how many chips have each label, and how many labels a chip has; None:
            not drawn.
        correlation_loc: where a picture of the correlation of labels goes; None: not drawn.
        map_loc: where a map of the chips goes, coloured by their number of labels or by whether they have `label`;
            None: not drawn.
        label: the label that the map shows; None: the map shows the number of labels.
    """

    task: ClassVar[str] = "plot_labels"

    table_loc: Location
    distribution_loc: WritableLocation | None = None
    correlation_loc: WritableLocation | None = None
    map_loc: WritableLocation | None = None
    label: StrictStr | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            table_loc=DataLocation("memory", "labels/sparse.parquet"),
            distribution_loc=DataLocation("memory", "labels/distribution.png"),
        )


class PlotLabelsReturnMsg(ReturnMessage):
    """Size of the table that was drawn.

    Fields:
        n_chips: number of chips in the table.
        n_labels: number of labels in the table.
    """

    n_chips: int
    n_labels: int
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(n_chips=560, n_labels=2, runtime=1.0)

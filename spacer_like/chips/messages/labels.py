"""Messages about labels from maps."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StrictBool, StrictInt, StrictStr
from typing_extensions import Self

from spacer_like.chips.messages.fields import Cell, TreeLocation, Zone
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

MOST_SECONDS = 3600
MOST_SERVER_BYTES = 2**32
"""What an Overpass server may be allowed at most."""
OVERPASS = "https://overpass-api.de/api/interpreter"


class FetchLabelsMsg(Message, Answered["FetchLabelsReturnMsg"]):
    """Fetch the tagged elements of OpenStreetMap in cells of zoom 12.

    Each cell's go to ``<zone>/<quadkey>/osm_data.json`` under `ard_loc`, with ``node_tags.json``, ``way_tags.json`` and
    ``relation_tags.json`` beside it. A cell whose file is there is not fetched again.

    Fields:
        quadkeys: the cells.
        endpoint: of an Overpass server, which is asked for one cell after the other.
        extract_loc: an ``.osm.pbf`` extract that is read instead of asking a server; None: ask.
        keys: elements that have any of these keys are also written to ``primary_osm_data_filtered.json``.
        attempts: how often a cell is asked for at most, where the server is busy or breaks off.
        timeout: seconds that the server may take for a query; max_bytes: memory that it may use.
        overwrite: fetch what is there, too.
    """

    task: ClassVar[str] = "fetch_labels"

    zone: Zone
    quadkeys: Annotated[list[Cell], Field(min_length=1, max_length=100_000)]
    ard_loc: WritableFolder
    endpoint: Annotated[StrictStr, Field(pattern=r"^https?://", max_length=2000)] = OVERPASS
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
    """What was fetched for a cell; `attempts` is 0 where nothing was asked of a server."""

    quadkey: str
    nodes: int
    ways: int
    relations: int
    attempts: int


class FailedCell(ReturnMessage):
    """A cell whose map could not be had, with the reason."""

    cell: str
    reason: str


class FetchLabelsReturnMsg(ReturnMessage, metaclass=ByKeyword):
    """The cells that were fetched, those that were there before, and those that cannot be had."""

    fetched: list[FetchedCell]
    skipped: list[str]
    failed: list[FailedCell] = Field(default_factory=list)
    runtime: float

    @classmethod
    def example(cls) -> Self:
        cell = FetchedCell(quadkey="013133103003", nodes=20_000, ways=30_000, relations=1000, attempts=1)
        return cls(fetched=[cell], skipped=[], runtime=20.0)


class BuildLabelTableMsg(Message, Answered["BuildLabelTableReturnMsg"]):
    """Join the elements of maps with chips: which chip shows what.

    Fields:
        index_loc: which chips there are, and which are full of data, as `index_nodata` writes it.
        ard_loc: the tree with the ``osm_data.json`` of each cell.
        labels_loc: JSON ``{label: {key: [values]}}``; a value matches exactly, ``*`` every one.
        sparse_locs: the table that models learn from: Feature, and a column of 0 and 1 for each label, a row a chip.
        dense_locs: the same as Feature, Labels: ``a|b|c``.
        records_locs: a row for each chip cell, element and tag that makes a label: TileQuadkey, ElementType,
            ElementId, PrimaryKey, KeyValue, Zone.
        partial_data: whether chips with some data are in it, or only those full of it.
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
    """What the table holds.

    Fields:
        n_chips: its rows; n_without_label: rows with no 1 in them; counts: rows with a 1, by label.
        cells_without_map: cells ``Z<zone>-<quadkey>`` of which there is no ``osm_data.json``: their chips are left out.
        damaged_maps: cells whose ``osm_data.json`` is damaged: their chips are left out too.
        n_elements: elements that bear a label; n_without_geometry: those of them that have no usable geometry.
    """

    n_chips: int
    n_without_label: int
    counts: dict[str, int]
    cells_without_map: list[str]
    damaged_maps: list[FailedCell] = Field(default_factory=list)
    n_elements: int
    n_without_geometry: int
    runtime: float

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
    """Draw a label table; the name's ending tells the format.

    Fields:
        table_loc: a sparse table of `build_label_table`.
        distribution_loc: how many chips bear each label, and how many labels a chip bears.
        correlation_loc: which labels go together.
        map_loc: the chips on a map, by how many labels they bear, or by whether they bear `label`.
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
    n_chips: int
    n_labels: int
    runtime: float

    @classmethod
    def example(cls) -> Self:
        return cls(n_chips=560, n_labels=2, runtime=1.0)

"""Messages about places that are looked for by examples."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StrictInt, StrictStr
from typing_extensions import Self

from spacer_like.chips.messages.tiles import ChipsLocation
from spacer_like.location import DataLocation
from spacer_like.message_base import (
    Answered,
    Location,
    Message,
    ReturnMessage,
    Runtime,
    WritableFolder,
    WritableLocation,
)

_Chips = Annotated[list[StrictStr], Field(max_length=2000)]


class RankPlacesMsg(Message, Answered["RankPlacesReturnMsg"]):
    """Rank all chips by how much they are like some of them and unlike others, by a linear classifier of their vectors.

    Fields:
        embeddings_locs: files of `encode_chips`, all of the same encoder.
        yes: names of chips that show what is looked for.
        no: names of chips that do not.
        marks_loc: more of both, a CSV ``chip,answer`` with the answers yes and no, as the page of the map saves it;
            None: those of `yes` and `no` alone.
        chips_loc: a manifest (``.parquet``) of a tile's or a raster's chips, or a folder of manifests, which says where
            the chips lie; None: it is not known, and there are neither geometries nor maps.
        results_locs: where the ranked chips go, the best first, CSV or Parquet: chip, rank, score (0 to 1), answer,
            longitude and latitude of the centre. With `chips_loc`, Parquet has the chips' outlines too (GeoParquet).
        maps_loc: the folder for maps of the scores, GeoTIFF, as `map_scores` draws them; None: none is drawn.
        k: how many of the best chips without an answer are named in the answer.
    """

    task: ClassVar[str] = "rank_places"

    embeddings_locs: list[Location] = Field(min_length=1)
    yes: _Chips = Field(default_factory=list)
    no: _Chips = Field(default_factory=list)
    marks_loc: Location | None = None
    chips_loc: ChipsLocation | None = None
    results_locs: list[WritableLocation] = Field(default_factory=list)
    maps_loc: WritableFolder | None = None
    k: Annotated[StrictInt, Field(ge=1, le=10_000)] = 10

    @classmethod
    def example(cls) -> Self:
        return cls(
            embeddings_locs=[DataLocation("memory", "embeddings.safetensors")],
            yes=["Z33-03111121232201230_1050410012C31100.jpg"],
            no=["Z33-03111121232201231_1050410012C31100.jpg"],
        )


class RankedPlace(ReturnMessage):
    """A chip of a ranking.

    Fields:
        chip: the chip's name.
        score: how much it is what is looked for, from 0 to 1.
    """

    chip: str
    score: float


class RankPlacesReturnMsg(ReturnMessage):
    """The ranking's best chips.

    Fields:
        n_chips: number of chips that were ranked.
        n_yes: number of chips that show what is looked for.
        n_no: number of chips that do not.
        best: chips without an answer, the best first.
        maps: names of the files in `maps_loc`.
        n_unplaced: number of chips whose place no manifest names; 0 without `chips_loc`.
    """

    n_chips: int
    n_yes: int
    n_no: int
    best: list[RankedPlace]
    maps: list[str]
    n_unplaced: int
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        best = RankedPlace(chip="Z33-03111121232201233_1050410012C31100.jpg", score=0.93)
        return cls(n_chips=4281, n_yes=3, n_no=2, best=[best], maps=[], n_unplaced=0, runtime=0.2)
